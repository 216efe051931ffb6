package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"purebundle/chunk/ec2"
)

// By an old tool's name, its command runs; by any other, purebundle.
func TestCommandLine(t *testing.T) {
	for _, c := range []struct{ argv, want string }{
		{"purebundle verify x", "verify x"},
		{"/usr/bin/purebundle ec2 unbundle", "ec2 unbundle"},
		{"/usr/local/bin/ec2-bundle-vol -k x", "ec2 bundle-vol --force -k x"},
		{"ec2-bundle-image", "ec2 bundle-image --force"},
		{"./ec2-unbundle -m x", "ec2 unbundle --force -m x"},
		{"ec2-migrate-manifest -m x", "ec2 migrate-manifest --force -m x"},
		{"ec2-upload-bundle -b x", "ec2 upload-bundle --force -b x"},
		{"ec2-download-bundle -b x", "ec2 download-bundle --force -b x"},
		{"ec2-delete-bundle -b x", "ec2 delete-bundle --force -b x"},
	} {
		if got := strings.Join(commandLine(strings.Fields(c.argv)), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.argv, got, c.want)
		}
	}
	if got := commandLine(nil); got != nil {
		t.Errorf("no argv: %q", got)
	}
}

// oldOptions are the options of the old tools, with the number of their values.
var oldOptions = map[string]map[string]int{
	"ec2-bundle-vol": {
		"--cert": 1, "-c": 1, "--privatekey": 1, "-k": 1, "--user": 1, "-u": 1, "--ec2cert": 1, "--destination": 1, "-d": 1,
		"--prefix": 1, "-p": 1, "--arch": 1, "-r": 1, "--size": 1, "-s": 1, "--volume": 1, "-v": 1, "--all": 0, "-a": 0,
		"--exclude": 1, "-e": 1, "--include": 1, "-i": 1, "--no-filter": 0, "--fstab": 1, "--generate-fstab": 0,
		"--kernel": 1, "--ramdisk": 1, "--block-device-mapping": 1, "-B": 1, "--productcodes": 1, "--inherit": 0, "--no-inherit": 0,
		"--partition": 1, "-P": 1, "--grub-config": 1, "--script": 1, "-S": 1, "--clone-only": 0, "--batch": 0, "--debug": 0,
		"--no-size-checks": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-bundle-image": {
		"--cert": 1, "-c": 1, "--privatekey": 1, "-k": 1, "--user": 1, "-u": 1, "--ec2cert": 1, "--destination": 1, "-d": 1,
		"--prefix": 1, "-p": 1, "--arch": 1, "-r": 1, "--image": 1, "-i": 1, "--kernel": 1, "--ramdisk": 1,
		"--block-device-mapping": 1, "-B": 1, "--productcodes": 1, "--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-unbundle": {
		"--privatekey": 1, "-k": 1, "--manifest": 1, "-m": 1, "--source": 1, "-s": 1, "--destination": 1, "-d": 1,
		"--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-upload-bundle": {
		"--bucket": 1, "-b": 1, "--access-key": 1, "-a": 1, "--secret-key": 1, "-s": 1, "--delegation-token": 1, "-t": 1,
		"--manifest": 1, "-m": 1, "--url": 1, "--region": 1, "--sigv": 1, "--acl": 1, "--directory": 1, "-d": 1, "--part": 1,
		"--retry": 0, "--skipmanifest": 0, "--location": 1, "--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-download-bundle": {
		"--bucket": 1, "-b": 1, "--access-key": 1, "-a": 1, "--secret-key": 1, "-s": 1, "--delegation-token": 1, "-t": 1,
		"--privatekey": 1, "-k": 1, "--manifest": 1, "-m": 1, "--prefix": 1, "-p": 1, "--url": 1, "--region": 1, "--sigv": 1,
		"--directory": 1, "-d": 1, "--retry": 0, "--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-delete-bundle": {
		"--bucket": 1, "-b": 1, "--access-key": 1, "-a": 1, "--secret-key": 1, "-s": 1, "--delegation-token": 1, "-t": 1,
		"--manifest": 1, "-m": 1, "--prefix": 1, "-p": 1, "--url": 1, "--region": 1, "--sigv": 1, "--clear": 0, "--yes": 0, "-y": 0,
		"--retry": 0, "--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
}

// Every option of the old tools is taken, short and long.
func TestOldOptions(t *testing.T) {
	for tool, options := range oldOptions {
		for option, values := range options {
			args := commandLine([]string{tool, option, "1"}[:2+values])
			// --help after it does nothing but parse.
			code, stdout, stderr := call(append(args, "--help")...)
			if code != 0 || !strings.Contains(stdout, "Usage:\n  purebundle ec2 ") {
				t.Errorf("%s %s: status %d, %s", tool, option, code, stderr)
			}
		}
	}
	for option, want := range map[string]int{"--dest=/x": 0, "--priv=x": 0, "--gen": 0, "--no": statusUsage, "--manu": 0, "--exlude=x": statusUsage} {
		if code, _, stderr := call("ec2", "bundle-vol", option, "--help"); code != want {
			t.Errorf("%s: status %d, %s", option, code, stderr)
		}
	}
	code, stdout, _ := call(commandLine([]string{"ec2-bundle-vol", "--version"})...)
	if code != 0 || !strings.HasPrefix(stdout, "purebundle ") {
		t.Errorf("--version: status %d, %q", code, stdout)
	}
}

// instance answers as an instance's metadata service does, with tokens only.
func instance(t *testing.T, values map[string]string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, "/latest/meta-data/")
		switch {
		case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "":
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
		if took := time.Since(began); took > 2*metadataLimit {
			t.Errorf("%s: %v", name, took)
		}
	}
	instance(t, nil)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", os.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT")+"/elsewhere")
	if err := inherit(context.Background(), &ec2.Manifest{}); err == nil || !strings.Contains(err.Error(), "gives no token: status 4") {
		t.Errorf("no token: %v", err)
	}
}

// Paths of --exclude are below the volume; directories there stay, empty.
func TestVolumePaths(t *testing.T) {
	volume := t.TempDir()
	for _, dir := range []string{"var/cache", "a[b]*"} {
		if err := os.MkdirAll(filepath.Join(volume, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, err := volumePaths("--exclude", volume, []string{"/var/cache", " /var/cache/ ", "/etc/hosts", "", "/opt/*.iso", "/a[b]*"})
	if want := []string{"/var/cache/**", "/var/cache/**", "/etc/hosts", "/opt/*.iso", `/a\[b]\*/**`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"var", "/", "//"} {
		if _, err := volumePaths("--exclude", volume, []string{bad}); status(err) != statusUsage {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
