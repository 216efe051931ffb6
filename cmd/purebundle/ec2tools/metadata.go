package ec2tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"purebundle/chunk/ec2"
)

// metadataLimit is how long the instance's metadata service may take for all
// that is asked of it: elsewhere than on EC2, its address leads nowhere.
const metadataLimit = 2 * time.Second

// metadata asks the instance's metadata service, version 2: version 1 gives
// secrets to whoever can make a program on the machine fetch a URL.
type metadata struct{ client *imds.Client }

func newMetadata() metadata {
	direct := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: the address is local to the machine
	return metadata{imds.New(imds.Options{EnableFallback: aws.FalseTernary, Retryer: aws.NopRetryer{}, HTTPClient: direct})}
}

// get returns one value, "" if the service does not have it.
func (m metadata) get(ctx context.Context, name string) (string, error) {
	out, err := m.client.GetMetadata(ctx, &imds.GetMetadataInput{Path: name})
	// Not so if there is no token: imds v1.20.7 hides the answer then.
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() == http.StatusNotFound {
		return "", nil
	}
	var text []byte
	if err == nil {
		text, err = io.ReadAll(out.Content)
	}
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("the instance's metadata service does not answer within %v", metadataLimit)
	case err != nil:
		return "", fmt.Errorf("the instance's metadata service: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// inherit fills in what the options leave open from the instance: kernel, RAM
// disk, device names; product codes and ancestors are added to.
func inherit(ctx context.Context, m *ec2.Manifest) error {
	ctx, cancel := context.WithTimeout(ctx, metadataLimit)
	defer cancel()
	service, values := newMetadata(), make(map[string]string)
	var err error
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

// mappings returns the block devices of the instance.
func (m metadata) mappings(ctx context.Context) ([]ec2.Mapping, error) {
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
