package chunk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

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
