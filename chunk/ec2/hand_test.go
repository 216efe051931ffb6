package ec2

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// byHand runs testdata/bundle.sh, which knows nothing of this package.
func byHand(t *testing.T, args ...string) {
	t.Helper()
	for _, tool := range []string{"bash", "openssl", "tar", "gzip", "sha1sum"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	out, err := exec.Command("testdata/bundle.sh", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("bundle.sh %v: %v\n%s", args, err, out)
	}
}

// files writes a pair of keys to files.
func (p pair) files(t *testing.T) (key, cert string) {
	t.Helper()
	dir := t.TempDir()
	key, cert = filepath.Join(dir, "pk.pem"), filepath.Join(dir, "cert.pem")
	must(t, os.WriteFile(key, p.keyPEM, 0o600))
	must(t, os.WriteFile(cert, p.certPEM, 0o600))
	return key, cert
}

// A reading with command-line tools accepts our bundles and yields the image.
func TestReadByHand(t *testing.T) {
	key, cert := userPair().files(t)
	for _, c := range []struct {
		name string
		size int64
		data []Range
	}{
		{"dense, two parts", 12 * mib, []Range{{0, 12 * mib}}},
		{"holes", 40*mib + 512, append(runs(30, mib), Range{39 * mib, mib})},
		{"ends in a hole", 20 * mib, []Range{{mib, 4096}}},
		{"all hole", 20 * mib, []Range{}},
		{"odd size", mib + 5, []Range{{0, 4096}, {mib, 5}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := image(c.size, c.data...)
			out := filepath.Join(t.TempDir(), "image")
			byHand(t, "read", bundled(t, img, c.data), key, cert, out)
			got, err := os.ReadFile(out)
			must(t, err)
			if !bytes.Equal(got, img) {
				t.Error("not the image")
			}
		})
	}
}

// We read bundles that command-line tools made, with both forms of sparse members.
func TestMadeByHand(t *testing.T) {
	key, cert := userPair().files(t)
	_, amazon := amazonPair().files(t)
	for _, c := range []struct {
		name string
		size int64
		data []Range
		tar  []string
	}{
		{"gnu, dense", 11 * mib, []Range{{0, 11 * mib}}, []string{"--format=gnu"}},
		{"gnu, holes", 40 * mib, runs(30, mib), []string{"--format=gnu"}},
		{"gnu, hole at the end", 20 * mib, runs(3, mib), []string{"--format=gnu"}},
		{"gnu, all hole", 20 * mib, []Range{}, []string{"--format=gnu"}},
		{"posix 1.0, holes", 40*mib + 9, append(runs(30, mib), Range{40 * mib, 9}), []string{"--format=posix", "--sparse-version=1.0"}},
		{"posix 1.0, many holes", 60 * mib, runs(900, 64<<10), []string{"--format=posix"}},
		{"posix, dense", mib, []Range{{0, mib}}, []string{"--format=posix"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, img := t.TempDir(), image(c.size, c.data...)
			name := filepath.Join(t.TempDir(), "my.img")
			f, err := os.Create(name)
			must(t, err)
			must(t, writeSparse(f, img, 0))
			must(t, f.Truncate(c.size))
			must(t, f.Close())
			byHand(t, append([]string{"make", name, dir, key, cert, amazon}, c.tar...)...)
			b := load(t, filepath.Join(dir, "my.img.manifest.xml"))
			must(t, b.CheckSignature(&userPair().key.PublicKey))
			must(t, b.VerifyParts(t.Context(), nil))
			out := filepath.Join(t.TempDir(), "out")
			must(t, b.Unbundle(t.Context(), userPair().key, out, UnbundleOptions{}))
			got, err := os.ReadFile(out)
			must(t, err)
			if !bytes.Equal(got, img) {
				t.Error("not the image")
			}
		})
	}
}
