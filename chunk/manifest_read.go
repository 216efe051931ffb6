package chunk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds of a manifest that is read or written. The parts of an image of 5 TiB
// still fit.
const (
	maxManifest = 64 << 20 // bytes
	maxObjects  = 1 << 20  // JSON objects
	maxDepth    = 8        // JSON objects and arrays in one another
)

// ReadManifest reads and checks a manifest. It takes nothing on trust: unknown,
// repeated or missing fields, another version, names that do not follow from the
// prefix, and sizes that do not add up are errors.
func ReadManifest(r io.Reader) (*Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxManifest {
		return nil, fmt.Errorf("is longer than %d bytes", maxManifest)
	}
	if err := checkVersion(data); err != nil {
		return nil, err
	}
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	m := new(Manifest)
	if err := dec.Decode(m); err != nil {
		return nil, plainJSON(err)
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	if err := m.checkSpelling(data); err != nil {
		return nil, err
	}
	return m, nil
}

// checkSpelling compares data with what m would be written as, white space
// aside. It finds what decoding forgives: missing fields, another order, other
// spellings of numbers, times and strings.
func (m *Manifest) checkSpelling(data []byte) error {
	text, err := m.encode()
	if err != nil {
		return err
	}
	var have, want bytes.Buffer
	if err := errors.Join(json.Compact(&have, data), json.Compact(&want, text)); err != nil {
		return plainJSON(err)
	}
	h, w := have.Bytes(), want.Bytes()
	at := 0
	for at < len(h) && at < len(w) && h[at] == w[at] {
		at++
	}
	if at == len(h) && at == len(w) {
		return nil
	}
	near := func(b []byte) []byte { return b[max(0, at-20):min(len(b), at+20)] }
	return fmt.Errorf("was edited or is incomplete: it says %q where this program writes %q", near(h), near(w))
}

// checkVersion comes first: of another version, nothing else need make sense.
func checkVersion(data []byte) error {
	var v struct {
		Schema *int64 `json:"schema"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return plainJSON(err)
	}
	switch {
	case v.Schema == nil:
		return cause("has no schema: it is no manifest of purebundle")
	case *v.Schema != Schema:
		return fmt.Errorf("has schema version %d; this program knows version %d only", *v.Schema, Schema)
	}
	return nil
}

// plainJSON says it without the names of Go types.
func plainJSON(err error) error {
	var syn *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syn):
		return fmt.Errorf("is not JSON: %s (at byte %d)", syn, syn.Offset)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return cause("is not JSON: it ends too early")
	case errors.As(err, &typ):
		return fmt.Errorf("field %q: a %s does not fit", typ.Field, typ.Value)
	}
	return cause(strings.TrimPrefix(err.Error(), "json: "))
}

// checkJSON refuses what encoding/json lets pass: repeated keys (the last would
// win), keys in other letter case, null, and anything after the end. It also
// bounds what decoding can take.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return cause("is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	w := keyWalk{dec: dec}
	if err := w.value(0); err != nil {
		return err
	}
	if _, err := dec.Token(); err != io.EOF {
		return cause("goes on after its end")
	}
	return nil
}

type keyWalk struct {
	dec     *json.Decoder
	objects int
}

func (w *keyWalk) value(depth int) error {
	tok, err := w.dec.Token()
	if err != nil {
		return plainJSON(err)
	}
	if depth > maxDepth {
		return cause("is nested too deep")
	}
	switch tok {
	case nil:
		return cause("has a null in it")
	case json.Delim('['):
		for w.dec.More() {
			if err := w.value(depth + 1); err != nil {
				return err
			}
		}
		_, err = w.dec.Token()
		return err
	case json.Delim('{'):
		return w.object(depth)
	}
	return nil
}

func (w *keyWalk) object(depth int) error {
	if w.objects++; w.objects > maxObjects {
		return fmt.Errorf("has more than %d entries", maxObjects)
	}
	seen := make([]string, 0, 12)
	for w.dec.More() {
		tok, err := w.dec.Token()
		if err != nil {
			return plainJSON(err)
		}
		key, _ := tok.(string)
		if strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Errorf("unknown field %q", key)
		}
		for _, s := range seen {
			if s == key {
				return fmt.Errorf("field %q is there twice", key)
			}
		}
		// No object of ours has as many fields; a hostile one would make this quadratic.
		if seen = append(seen, key); len(seen) > 64 {
			return cause("has an object of too many fields")
		}
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	_, err := w.dec.Token()
	return err
}

// check is the one rule for what a manifest must say, read or written.
func (m *Manifest) check() error {
	if err := CheckPrefix(m.Prefix); err != nil {
		return err
	}
	if m.PartSize != Size {
		return fmt.Errorf("part_size is %d instead of %d", m.PartSize, Size)
	}
	if err := m.Image.check(); err != nil {
		return err
	}
	n := m.Image.Size / Size
	if int64(len(m.Parts)) != n {
		return fmt.Errorf("lists %d parts, but an image of %d bytes has %d", len(m.Parts), m.Image.Size, n)
	}
	for i, p := range m.Parts {
		if want := PartName(m.Prefix, i, len(m.Parts)); p.Name != want {
			return fmt.Errorf("parts[%d] is named %q instead of %q", i, p.Name, want)
		}
		if p.Size != Size {
			return fmt.Errorf("%s: size is %d instead of %d", p.Name, p.Size, Size)
		}
		if !isHex(p.SHA256, 64) {
			return fmt.Errorf("%s: sha256 %q is not 64 lower-case hexadecimal digits", p.Name, p.SHA256)
		}
	}
	if m.Created.IsZero() {
		return cause("created is missing")
	}
	return m.Counts.check()
}

func (im *Image) check() error {
	switch {
	case im.Size <= 0 || im.Size%Size != 0:
		return fmt.Errorf("image.size %d is no multiple of %d", im.Size, Size)
	case im.FSSize < 0 || im.FSSize > im.Size:
		return fmt.Errorf("image.fs_size %d is not within the image of %d bytes", im.FSSize, im.Size)
	case im.BlockSize < 0 || im.BlockSize > 1<<16:
		return fmt.Errorf("image.block_size %d is out of range", im.BlockSize)
	case im.Blocks < 0 || im.BlockSize > 0 && im.Blocks > im.FSSize/im.BlockSize:
		return fmt.Errorf("image.blocks %d is more than the file system holds", im.Blocks)
	case im.FreeBlocks < 0 || im.FreeBlocks > im.Blocks:
		return fmt.Errorf("image.free_blocks %d is not within the %d blocks", im.FreeBlocks, im.Blocks)
	case im.Inodes < 0:
		return fmt.Errorf("image.inodes %d is negative", im.Inodes)
	case im.FreeInodes < 0 || im.FreeInodes > im.Inodes:
		return fmt.Errorf("image.free_inodes %d is not within the %d inodes", im.FreeInodes, im.Inodes)
	case im.UUID != "" && !isUUID(im.UUID):
		return fmt.Errorf("image.uuid %q is no UUID", im.UUID)
	}
	return nil
}

func (c *Counts) check() error {
	for _, v := range []int64{c.Entries, c.Files, c.Directories, c.Symlinks, c.HardLinks, c.Devices, c.FIFOs, c.Sockets, c.FileBytes, c.DataBytes} {
		if v < 0 {
			return fmt.Errorf("counts has a negative number: %d", v)
		}
	}
	return nil
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

func isUUID(s string) bool {
	groups := strings.Split(s, "-")
	if len(groups) != 5 {
		return false
	}
	for i, n := range []int{8, 4, 4, 4, 12} {
		if !isHex(groups[i], n) {
			return false
		}
	}
	return true
}

// encode writes m as it will be read. Empty lists are [], never null.
func (m *Manifest) encode() ([]byte, error) {
	c := *m
	c.Created = c.Created.UTC()
	c.Parts = append([]Part{}, m.Parts...)
	c.Mounts = append([]Mount{}, m.Mounts...)
	c.Filtered = append([]Left{}, m.Filtered...)
	c.Excluded = append([]Left{}, m.Excluded...)
	c.Unreadable = append([]Problem{}, m.Unreadable...)
	c.Changes = append([]Change{}, m.Changes...)
	c.Warnings = append([]Warning{}, m.Warnings...)
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(&c); err != nil {
		return nil, err
	}
	if b.Len() > maxManifest {
		return nil, fmt.Errorf("would be %d bytes long, over the limit of %d", b.Len(), maxManifest)
	}
	objects := 4 + len(c.Parts) + len(c.Mounts) + len(c.Filtered) + len(c.Excluded) + len(c.Unreadable) + len(c.Changes) + len(c.Warnings)
	if objects > maxObjects {
		return nil, fmt.Errorf("would have %d entries, over the limit of %d", objects, maxObjects)
	}
	return b.Bytes(), nil
}
