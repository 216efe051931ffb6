package ec2tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"purebundle/chunk/ec2"
)

// metadataLimit is how long the instance's metadata service may take for all
// that is asked of it: elsewhere than on EC2, its address leads nowhere.
const metadataLimit = 2 * time.Second

// metadataEndpoint is where the service is; the variable is that of Amazon's SDKs.
func metadataEndpoint() string {
	if e := os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"); e != "" {
		return strings.TrimSuffix(e, "/")
	}
	return "http://169.254.169.254"
}

// metadata asks the instance's metadata service, version 2: a token first.
type metadata struct {
	client   http.Client
	endpoint string
	token    string
}

// errNoMetadata says that nothing answers.
var errNoMetadata = errors.New("the instance's metadata service does not answer within 2 seconds")

// openMetadata gets a token.
func openMetadata(ctx context.Context) (*metadata, error) {
	// No proxy: the address is local to the machine.
	m := &metadata{client: http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, endpoint: metadataEndpoint()}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, m.endpoint+"/latest/api/token", nil)
	if err != nil {
		return nil, fmt.Errorf("metadata service: %w", err)
	}
	req.Header.Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
	status, token, err := m.do(req)
	switch {
	case err != nil:
		return nil, err
	case status != http.StatusOK:
		return nil, fmt.Errorf("the instance's metadata service gives no token: status %d", status)
	}
	m.token = token
	return m, nil
}

// do makes a request and reads a short answer.
func (m *metadata) do(req *http.Request) (status int, text string, err error) {
	res, err := m.client.Do(req)
	if err != nil {
		return 0, "", errNoMetadata
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return 0, "", errNoMetadata
	}
	return res.StatusCode, strings.TrimSpace(string(body)), nil
}

// get reads one value; "" where there is none.
func (m *metadata) get(ctx context.Context, name string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.endpoint+"/latest/meta-data/"+name, nil)
	if err != nil {
		return "", fmt.Errorf("metadata service: %w", err)
	}
	req.Header.Set("X-aws-ec2-metadata-token", m.token)
	status, text, err := m.do(req)
	switch {
	case err != nil:
		return "", err
	case status == http.StatusNotFound:
		return "", nil
	case status != http.StatusOK:
		return "", fmt.Errorf("the instance's metadata service answers %s with status %d", name, status)
	}
	return text, nil
}

// Inherit fills in what the options leave open from the instance: kernel, RAM
// disk, device names; product codes and ancestors are added to.
func inherit(ctx context.Context, m *ec2.Manifest) error {
	ctx, cancel := context.WithTimeout(ctx, metadataLimit)
	defer cancel()
	service, err := openMetadata(ctx)
	if err != nil {
		return err
	}
	values := make(map[string]string)
	for _, name := range []string{"kernel-id", "ramdisk-id", "product-codes", "ancestor-ami-ids", "ami-id"} {
		if values[name], err = service.get(ctx, name); err != nil {
			return err
		}
	}
	var mappings []ec2.Mapping
	if len(m.Mappings) == 0 {
		if mappings, err = service.mappings(ctx); err != nil {
			return err
		}
	}
	// All was answered: a manifest has all of it or nothing.
	if m.Kernel == "" {
		m.Kernel = values["kernel-id"]
	}
	if m.Ramdisk == "" {
		m.Ramdisk = values["ramdisk-id"]
	}
	m.Mappings = append(m.Mappings, mappings...)
	for _, code := range strings.Fields(values["product-codes"]) {
		if !slices.Contains(m.ProductCodes, code) {
			m.ProductCodes = append(m.ProductCodes, code)
		}
	}
	m.Ancestors = append(strings.Fields(values["ancestor-ami-ids"]), strings.Fields(values["ami-id"])...)
	return nil
}

// mappings lists the block devices of the instance.
func (m *metadata) mappings(ctx context.Context) ([]ec2.Mapping, error) {
	list, err := m.get(ctx, "block-device-mapping/")
	if err != nil {
		return nil, err
	}
	var out []ec2.Mapping
	for _, virtual := range strings.Fields(list) {
		device, err := m.get(ctx, "block-device-mapping/"+virtual)
		if err != nil {
			return nil, err
		}
		if device != "" {
			out = append(out, ec2.Mapping{Virtual: virtual, Device: device})
		}
	}
	return out, nil
}
