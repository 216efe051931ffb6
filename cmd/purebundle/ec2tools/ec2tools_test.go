package ec2tools

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/cmd/purebundle/cli"
)

// By an old tool's name, its command runs; by any other, purebundle.
func TestCommandLine(t *testing.T) {
	for _, c := range []struct{ argv, want string }{
		{"purebundle verify x", "verify x"},
		{"/usr/bin/purebundle ec2 unbundle", "ec2 unbundle"},
		{"/usr/local/bin/ec2-bundle-vol -k x", "ec2 bundle-vol --force -k x"},
		{"ec2-bundle-image", "ec2 bundle-image --force"},
		{"./ec2-unbundle -m x", "ec2 unbundle --force --signature none -m x"},
		{"ec2-migrate-manifest -m x", "ec2 migrate-manifest --force -m x"},
		{"ec2-upload-bundle -b x", "ec2 upload-bundle --force -b x"},
		{"ec2-download-bundle -b x", "ec2 download-bundle --force -b x"},
		{"ec2-delete-bundle -b x", "ec2 delete-bundle --force -b x"},
		{"ec2-migrate-bundle -b x", "ec2 migrate-bundle --force -b x"},
		{"/usr/bin/ec2-ami-tools-version", "--version"},
	} {
		if got := strings.Join(CommandLine(strings.Fields(c.argv)), " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.argv, got, c.want)
		}
	}
	if got := CommandLine(nil); got != nil {
		t.Errorf("no argv: %q", got)
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
		if _, err := volumePaths("--exclude", volume, []string{bad}); cli.Status(err) != cli.StatusUsage {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// Numbers of parts are decimal, as in the names of parts: 010 is ten.
func TestPartNumber(t *testing.T) {
	for in, want := range map[string]int{"0": 0, "04": 4, "08": 8, "010": 10, "17": 17, "x": -1, "0x10": -1, "": -1} {
		have := decimal(-1)
		if err := have.Set(in); (err != nil) != (want < 0) || int(have) != want {
			t.Errorf("%q: %d, %v", in, have, err)
		}
	}
}
