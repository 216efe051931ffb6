package ec2tools

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"purebundle/chunk/ec2"
)

// instance answers as an instance's metadata service does, with tokens only.
func instance(t *testing.T, values map[string]string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/latest/meta-data/")
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "":
			w.Header().Set("X-aws-ec2-metadata-token-ttl-seconds", "60")
			_, _ = w.Write([]byte("the-token"))
		case r.Header.Get("X-aws-ec2-metadata-token") != "the-token":
			w.WriteHeader(http.StatusUnauthorized)
		case !ok || values[name] == "":
			w.WriteHeader(http.StatusNotFound)
		default:
			_, _ = w.Write([]byte(values[name] + "\n"))
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
}

// What the options leave open comes from the instance.
func TestInherit(t *testing.T) {
	instance(t, map[string]string{
		"kernel-id": "aki-1", "product-codes": "CODE1\nCODE2", "ancestor-ami-ids": "ami-1\nami-2", "ami-id": "ami-3",
		"block-device-mapping/": "ami\nroot", "block-device-mapping/ami": "sda1", "block-device-mapping/root": "/dev/sda1",
	})
	m := &ec2.Manifest{Ramdisk: "ari-mine", ProductCodes: []string{"CODE2", "MINE"}}
	if err := inherit(context.Background(), m); err != nil {
		t.Fatal(err)
	}
	if m.Kernel != "aki-1" || m.Ramdisk != "ari-mine" || !slices.Equal(m.ProductCodes, []string{"CODE2", "MINE", "CODE1"}) ||
		!slices.Equal(m.Ancestors, []string{"ami-1", "ami-2", "ami-3"}) ||
		!slices.Equal(m.Mappings, []ec2.Mapping{{Virtual: "ami", Device: "sda1"}, {Virtual: "root", Device: "/dev/sda1"}}) {
		t.Errorf("%+v", m)
	}
	mine := &ec2.Manifest{Kernel: "aki-mine", Mappings: []ec2.Mapping{{Virtual: "ami", Device: "xvda1"}}}
	if err := inherit(context.Background(), mine); err != nil || mine.Kernel != "aki-mine" || len(mine.Mappings) != 1 {
		t.Errorf("%+v, %v", mine, err)
	}
}

// Elsewhere than on an instance, the service's silence costs two seconds at most
// and is a sentence; the manifest is as it was.
func TestInheritNothing(t *testing.T) {
	quiet := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-quiet }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(quiet) })
	for name, endpoint := range map[string]string{"silent": server.URL, "refused": "http://127.0.0.1:1", "nonsense": "http://%zz"} {
		t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint)
		m := &ec2.Manifest{}
		began := time.Now()
		err := inherit(context.Background(), m)
		if err == nil || !strings.Contains(err.Error(), "metadata service") || strings.Contains(err.Error(), "\n") || m.Kernel != "" {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 10*metadataLimit { // on a busy machine; the silence lasts for ever
			t.Errorf("%s: %v", name, took)
		}
	}
	old := httptest.NewServer(http.NotFoundHandler()) // version 1 has no tokens
	t.Cleanup(old.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", old.URL)
	if err := inherit(context.Background(), &ec2.Manifest{}); err == nil || !strings.Contains(err.Error(), "API token") {
		t.Errorf("no token: %v", err)
	}
}
