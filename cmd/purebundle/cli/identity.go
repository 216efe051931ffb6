package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// MaxLabel is the size of s_volume_name, in bytes.
const MaxLabel = 16

// FreshUUID makes a random UUID (RFC 9562, version 4).
func FreshUUID() (u [16]byte) {
	_, _ = rand.Read(u[:]) // never fails: crypto/rand ends the program instead
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// parseUUID reads a UUID in its usual form, with or without hyphens.
func parseUUID(s string) (u [16]byte, err error) {
	text := strings.TrimSpace(s)
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		text = text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	}
	raw, err := hex.DecodeString(text)
	switch {
	case err != nil || len(raw) != 16:
		return u, errors.New("not a UUID; write xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx in hexadecimal digits")
	case bytes.Equal(raw, u[:]):
		return u, errors.New("the UUID of zeros means no UUID")
	}
	return [16]byte(raw), nil
}

// FormatUUID writes a UUID in its usual form.
func FormatUUID(u [16]byte) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}

// UUID is the value of --uuid.
type UUID struct {
	Value [16]byte
	Given bool
}

func (f *UUID) Type() string { return "UUID" }

func (f *UUID) String() string {
	if !f.Given {
		return ""
	}
	return FormatUUID(f.Value)
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
