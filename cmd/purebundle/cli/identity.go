package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// MaxLabel is the size of s_volume_name, in bytes.
const MaxLabel = 16

// parseUUID reads a UUID in its usual form, with or without hyphens.
func parseUUID(s string) (uuid.UUID, error) {
	text := strings.TrimSpace(s)
	u, err := uuid.Parse(text)
	switch {
	case err != nil || len(text) != 36 && len(text) != 32: // it knows other forms, too
		return u, errors.New("not a UUID; write xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx in hexadecimal digits")
	case u == uuid.Nil:
		return u, errors.New("the UUID of zeros means no UUID")
	}
	return u, nil
}

// UUID is the value of --uuid.
type UUID struct {
	Value uuid.UUID
	Given bool
}

func (f *UUID) Type() string { return "UUID" }

func (f *UUID) String() string {
	if !f.Given {
		return ""
	}
	return f.Value.String()
}

func (f *UUID) Set(s string) (err error) {
	f.Value, err = parseUUID(s)
	f.Given = err == nil
	return err
}

// Label is the value of --label; an empty label is a choice too.
type Label struct {
	Value string
	Given bool
}

func (f *Label) Type() string   { return "TEXT" }
func (f *Label) String() string { return f.Value }

func (f *Label) Set(s string) error {
	switch {
	case len(s) > MaxLabel:
		return fmt.Errorf("%d bytes; a label has at most %d", len(s), MaxLabel)
	case strings.ContainsRune(s, 0):
		return errors.New("a label cannot hold a zero byte")
	}
	*f = Label{Value: s, Given: true}
	return nil
}
