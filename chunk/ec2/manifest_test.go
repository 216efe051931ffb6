package ec2

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"purebundle/chunk/dir"
)

// The manifest is, byte for byte, what the format says: one line, no white space
// between elements, single quotes, mappings sorted, empty elements left out.
func TestManifestBytes(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 2) + "01234567"
	m := testManifest()
	m.User, m.Name, m.Kernel, m.ProductCodes = "123456789012", "a&b", "aki-1", []string{"C1", "C2"}
	m.Mappings = []Mapping{{"root", "/dev/sda1"}, {"ami", "sda1"}}
	m.Ancestors = []string{"ami-1"}
	m.ImageDigest, m.Size, m.BundledSize = hex, 42, 16
	m.Parts = []Part{{"a&b.part.0", hex}}
	m.keys = wrapped{"e1", "u1", "e2", "u2"}
	text, err := m.encode(userPair().key)
	must(t, err)
	got := regexp.MustCompile(`<signature>[0-9a-f]{512}<`).ReplaceAllString(string(text), "<signature>S<")
	want := `<?xml version='1.0'?><manifest><version>2007-10-10</version>` +
		`<bundler><name>purebundle</name><version>1.0</version><release>0</release></bundler>` +
		`<machine_configuration><architecture>x86_64</architecture>` +
		`<block_device_mapping><mapping><virtual>ami</virtual><device>sda1</device></mapping><mapping><virtual>root</virtual><device>/dev/sda1</device></mapping></block_device_mapping>` +
		`<kernel_id>aki-1</kernel_id><product_codes><product_code>C1</product_code><product_code>C2</product_code></product_codes></machine_configuration>` +
		`<image><name>a&amp;b</name><user>123456789012</user><type>machine</type><ancestry><ancestor_ami_id>ami-1</ancestor_ami_id></ancestry>` +
		`<digest algorithm='SHA1'>` + hex + `</digest><size>42</size><bundled_size>16</bundled_size>` +
		`<ec2_encrypted_key algorithm='AES-128-CBC'>e1</ec2_encrypted_key><user_encrypted_key algorithm='AES-128-CBC'>u1</user_encrypted_key>` +
		`<ec2_encrypted_iv>e2</ec2_encrypted_iv><user_encrypted_iv>u2</user_encrypted_iv>` +
		`<parts count='1'><part index='0'><filename>a&amp;b.part.0</filename><digest algorithm='SHA1'>` + hex + `</digest></part></parts></image>` +
		`<signature>S</signature></manifest>`
	if got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	again, err := ReadManifest(bytes.NewReader(text))
	must(t, err)
	if again.Name != m.Name || again.Parts[0] != m.Parts[0] || again.keys != m.keys || again.Mappings[0] != (Mapping{"ami", "sda1"}) {
		t.Errorf("%+v", again)
	}
}

func TestPartNames(t *testing.T) {
	for _, c := range []struct {
		i, count int
		want     string
	}{{0, 1, "p.part.0"}, {8, 9, "p.part.8"}, {0, 10, "p.part.00"}, {9, 10, "p.part.09"}, {5, 100, "p.part.005"}, {1023, 1024, "p.part.1023"}} {
		if got := PartName("p", c.i, c.count); got != c.want {
			t.Errorf("%d of %d: %s", c.i, c.count, got)
		}
	}
}

// older rewrites the manifest of a bundle as an older version, and signs that.
func older(t *testing.T, path, version string, machine bool) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	s := strings.Replace(string(text), "2007-10-10", version, 1)
	if !machine {
		s = regexp.MustCompile(`<machine_configuration>.*</machine_configuration>`).ReplaceAllString(s, "")
	}
	s = strings.Replace(s, "<type>machine</type>", "", 1)
	s = strings.ReplaceAll(s, "><", ">\n  <") // as a program that indents writes it
	signed := ""
	for _, name := range []string{"machine_configuration", "image"} {
		signed += regexp.MustCompile(`(?s)<` + name + `>.*</` + name + `>`).FindString(s)
	}
	sig, err := sign(userPair().key, []byte(signed))
	must(t, err)
	s = regexp.MustCompile(`<signature>.*</signature>`).ReplaceAllString(s, "<signature>"+sig+"</signature>\n")
	must(t, os.WriteFile(path, []byte(s), 0o600))
}

// Older manifests are read: version 3 has no machine configuration and signs the
// image alone.
func TestOlderManifests(t *testing.T) {
	img := image(mib, Range{0, 4096})
	for _, c := range []struct {
		version string
		machine bool
	}{{"3", false}, {"2007-08-29", true}, {"2007-10-10", true}} {
		t.Run(c.version, func(t *testing.T) {
			path := bundled(t, img, nil)
			older(t, path, c.version, c.machine)
			b := load(t, path)
			must(t, b.CheckSignature(&userPair().key.PublicKey))
			out := filepath.Join(t.TempDir(), "out")
			must(t, b.Unbundle(t.Context(), userPair().key, out, UnbundleOptions{}))
			got, err := os.ReadFile(out)
			must(t, err)
			if !bytes.Equal(got, img) {
				t.Error("not the image")
			}
			must(t, b.Migrate(Keys{userPair().key, &userPair().key.PublicKey, &otherPair().key.PublicKey}, dir.FileOptions{}, func(m *Manifest) { m.Arch = "i386" }))
			fresh := load(t, path)
			must(t, fresh.CheckSignature(&userPair().key.PublicKey))
			if m := fresh.Manifest(); m.Version != version20071010 || m.Arch != "i386" {
				t.Errorf("migrated to %+v", m)
			}
			must(t, fresh.Read(t.Context(), otherPair().key, func([]byte, int64) error { return nil }, nil))
		})
	}
}

// What makes no sense is refused with its reason.
func TestBadManifests(t *testing.T) {
	good, err := os.ReadFile(bundled(t, image(mib, Range{0, mib}), nil))
	must(t, err)
	for _, c := range []struct{ name, old, new, want string }{
		{"path up", "<filename>image", "<filename>../image", "is a path, not a name"},
		{"absolute", "<filename>image.part.0", "<filename>/etc/passwd", "is a path, not a name"},
		{"image is a path", "<name>image", "<name>a/image", "is a path, not a name"},
		{"image is a directory", "<name>image<", "<name>..<", "is no name"},
		{"control character", "<name>image<", "<name>im&#10;age<", "has control characters"},
		{"image named like a part", "<name>image<", "<name>image.part.0<", "names two files"},
		{"other version", "2007-10-10", "2006-01-01", `version "2006-01-01"`},
		{"no version", "<version>2007-10-10</version>", "", "has no <version>"},
		{"no signature", "<signature>", "<x>", "is no XML"},
		{"count", "count='1'", "count='2'", "count='2'"},
		{"index", "index='0'", "index='1'", "out of range"},
		{"algorithm", "'SHA1'", "'MD5'", "algorithm"},
		{"cipher", "'AES-128-CBC'", "'DES'", "algorithm"},
		{"digest", "<digest algorithm='SHA1'>", "<digest algorithm='SHA1'>00", "has no SHA-1"},
		{"negative size", "<size>", "<size>-", "is no size"},
		{"bundled size", "<bundled_size>", "<bundled_size>9", "in 1 parts"},
		{"two names", "<name>image</name>", "<name>image</name><name>other</name>", "<name> twice"},
		{"two machines", "<image>", "<machine_configuration></machine_configuration><image>", "twice"},
		{"document type", "<manifest>", "<!DOCTYPE m><manifest>", "document type"},
		{"comment", "<manifest>", "<manifest><!-- x -->", "has a comment"},
		{"comment in text", "<name>image", "<name>im<!-- x -->age", "has a comment"},
		{"instruction", "<name>image", "<name>im<?x y?>age", "has an instruction"},
		{"many elements", "<manifest>", "<manifest>" + strings.Repeat("<a/>", maxElements), "elements"},
		{"not a manifest", "<manifest>", "<other>", "is no XML"},
		{"cut", "</manifest>", "", "is no XML"},
		{"deep", "<name>image", "<a><b><c><d><e><f><g><name>image", "deep"},
		{"character set", "version='1.0'", "version='1.0' encoding='UTF-16'", "character set"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.Replace(string(good), c.old, c.new, 1)
			if bad == string(good) {
				t.Fatal("nothing replaced")
			}
			if _, err := ReadManifest(strings.NewReader(bad)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte(`<?xml version='1.0'?><manifest><version>3</version><image><parts count='1'><part index='0'></part></parts></image><signature>00</signature></manifest>`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ReadManifest(bytes.NewReader(text))
		if err == nil && len(m.Parts) == 0 {
			t.Error("a bundle without parts")
		}
	})
}

// TestLongManifests reads documents as long as one may be, of pieces as small as they
// can be: it ends, which it did not while text was joined anew for each piece.
func TestLongManifests(t *testing.T) {
	for name, text := range map[string]string{
		"text in pieces":     "<manifest><name>" + strings.Repeat("<![CDATA[x]]>", maxManifest/14),
		"white space before": "<manifest>" + strings.Repeat(" ", maxManifest/2) + strings.Repeat("<a/>", maxManifest/9),
		"comments":           "<manifest><name>" + strings.Repeat("x<!---->", maxManifest/9),
	} {
		if _, err := ReadManifest(strings.NewReader(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
