package chunk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
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
	if err := checkBounds(data); err != nil {
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

// checkBounds refuses JSON that would take much more memory decoded than as text.
func checkBounds(data []byte) error {
	objects, depth, quoted := 0, 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == '{':
			depth++
			objects++
		case c == ']', c == '}':
			depth--
		}
		if depth > maxDepth {
			return cause("is nested too deep")
		}
		if objects > maxObjects {
			return fmt.Errorf("has more than %d entries", maxObjects)
		}
	}
	return nil
}

// checkSpelling compares data with what m would be written as, white space
// aside. It finds what decoding forgives: missing and repeated fields, null, another
// order or letter case, other spellings of numbers, times and strings.
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
