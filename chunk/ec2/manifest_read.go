package ec2

import (
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	"purebundle/chunk"
)

// maxManifest bounds a manifest that is read, in bytes: an image of 2 TiB fits.
const maxManifest = 32 << 20

// ReadManifest reads and checks a manifest of version 3, 2007-08-29 or
// 2007-10-10. Elements that are missing or twice there, names that are no plain
// names, and numbers that do not add up are errors. The signature is not looked at.
func ReadManifest(r io.Reader) (*Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxManifest {
		return nil, fmt.Errorf("is longer than %d bytes", maxManifest)
	}
	root, err := parseXML(data)
	if err != nil {
		return nil, err
	}
	if root.name != "manifest" {
		return nil, fmt.Errorf("is no manifest but <%s>", root.name)
	}
	f := &fields{of: root}
	m := &Manifest{Version: f.text("version")}
	switch m.Version {
	case version3, version20070829, version20071010:
	default:
		if f.err != nil {
			return nil, f.err
		}
		return nil, fmt.Errorf("is of version %q; those that are read are %s, %s and %s", m.Version, version3, version20070829, version20071010)
	}
	if b := f.child("bundler"); b != nil {
		g := &fields{of: b}
		m.Bundler = Bundler{g.optional("name"), g.optional("version"), g.optional("release")}
	}
	m.signature = f.text("signature")
	if c := f.child("machine_configuration"); c != nil {
		m.readMachine(f, c)
		m.signed = append(m.signed, c.raw...)
	} else if m.Version == version20071010 {
		f.need("machine_configuration")
	}
	image := f.need("image")
	m.signed = append(m.signed, image.raw...)
	if f.err == nil {
		f.err = m.readImage(image)
	}
	if f.err == nil {
		f.err = m.check()
	}
	if f.err != nil {
		return nil, f.err
	}
	return m, nil
}

func (m *Manifest) readMachine(f *fields, c *element) {
	g := &fields{of: c}
	m.Arch = g.optional("architecture")
	m.Kernel, m.Ramdisk = g.optional("kernel_id"), g.optional("ramdisk_id")
	m.ProductCodes = g.texts("product_codes", "product_code")
	if list := g.child("block_device_mapping"); list != nil {
		for _, e := range list.children {
			h := &fields{of: e}
			m.Mappings = append(m.Mappings, Mapping{h.text("virtual"), h.text("device")})
			if h.err != nil {
				f.fail("%w", h.err)
			}
		}
	}
	if g.err != nil {
		f.fail("%w", g.err)
	}
}

func (m *Manifest) readImage(e *element) error {
	f := &fields{of: e}
	m.Name, m.User = f.text("name"), f.optional("user")
	m.Ancestors = f.texts("ancestry", "ancestor_ami_id")
	m.ImageDigest = f.text("digest")
	m.Size, m.BundledSize = f.size("size"), f.size("bundled_size")
	m.keys = wrapped{f.text("ec2_encrypted_key"), f.text("user_encrypted_key"), f.text("ec2_encrypted_iv"), f.text("user_encrypted_iv")}
	for _, name := range []string{"digest", "ec2_encrypted_key", "user_encrypted_key"} {
		f.algorithm(f.child(name))
	}
	parts := f.need("parts")
	if count, err := strconv.Atoi(parts.attrs["count"]); err != nil || count != len(parts.children) || count < 1 {
		f.fail("has %d parts and says count='%s'", len(parts.children), parts.attrs["count"])
	}
	m.Parts = make([]Part, len(parts.children))
	for _, p := range parts.children {
		g := &fields{of: p}
		i, err := strconv.Atoi(p.attrs["index"])
		if p.name != "part" || err != nil || i < 0 || i >= len(m.Parts) || m.Parts[i].Name != "" {
			f.fail("has a part with index='%s' twice, or out of range", p.attrs["index"])
			break
		}
		m.Parts[i] = Part{g.text("filename"), g.text("digest")}
		g.algorithm(g.child("digest"))
		if g.err != nil {
			f.fail("%w (part %d)", g.err, i)
		}
	}
	return f.err
}

// size reads a number of bytes.
func (f *fields) size(name string) int64 {
	n, err := strconv.ParseUint(f.text(name), 10, 62)
	if err != nil {
		f.fail("has <%s> %q, which is no size", name, f.optional(name))
	}
	return int64(n)
}

// algorithm refuses any but the one that there is.
func (f *fields) algorithm(e *element) {
	if e == nil {
		return
	}
	want := "AES-128-CBC"
	if e.name == "digest" {
		want = "SHA1"
	}
	if got, given := e.attrs["algorithm"]; given && !strings.EqualFold(got, want) {
		f.fail("has the algorithm %q in <%s> instead of %s", got, e.name, want)
	}
}

// check finds what cannot be a bundle. Names are joined to directories later, so
// they must be plain.
func (m *Manifest) check() error {
	if err := plainName(m.Name); err != nil {
		return fmt.Errorf("names the image %q: %w", m.Name, err)
	}
	seen := map[string]bool{m.Name: true} // the image may be written beside the parts
	for i, p := range m.Parts {
		if err := plainName(p.Name); err != nil {
			return fmt.Errorf("names part %d %q: %w", i, p.Name, err)
		}
		if seen[p.Name] {
			return fmt.Errorf("names two files %q", p.Name)
		}
		seen[p.Name] = true
		if !isDigest(p.Digest) {
			return fmt.Errorf("has no SHA-1 of %s but %q", p.Name, p.Digest)
		}
	}
	if !isDigest(m.ImageDigest) {
		return fmt.Errorf("has no SHA-1 of the image but %q", m.ImageDigest)
	}
	n := int64(len(m.Parts))
	if m.BundledSize <= (n-1)*chunk.Size || m.BundledSize > n*chunk.Size {
		return fmt.Errorf("says %d bytes in %d parts, each of %d bytes but the last", m.BundledSize, n, int64(chunk.Size))
	}
	return nil
}

// plainName refuses what would lead out of a directory or confuse a terminal.
func plainName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return cause("is no name")
	case strings.ContainsRune(name, '/'):
		return cause("is a path, not a name")
	case len(name) > 255:
		return cause("is longer than 255 bytes")
	case strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return cause("has control characters")
	}
	return nil
}

func isDigest(s string) bool {
	sum, err := hex.DecodeString(s)
	return err == nil && len(sum) == 20
}

// PartSize returns how long part i must be, in bytes.
func (m *Manifest) PartSize(i int) int64 {
	if i < len(m.Parts)-1 {
		return chunk.Size
	}
	return m.BundledSize - int64(i)*chunk.Size
}
