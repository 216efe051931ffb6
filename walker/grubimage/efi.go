package grubimage

import (
	"bytes"
	"debug/pe"
	"errors"
)

// IsPE says whether b begins as a program for EFI does.
func IsPE(b []byte) bool { return bytes.HasPrefix(b, []byte("MZ")) }

// EFI reads a program for EFI firmware, whole in b: its section "mods" has the modules.
func EFI(b []byte) (*Image, error) {
	f, err := pe.NewFile(bytes.NewReader(b))
	if err != nil {
		return nil, ErrNone
	}
	s := f.Section("mods")
	if s == nil || uint64(s.Offset)+uint64(s.Size) > uint64(len(b)) {
		return nil, ErrNone
	}
	_, wide := f.OptionalHeader.(*pe.OptionalHeader64)
	return objects(b[s.Offset:s.Offset+s.Size], wide)
}

// Signed says whether a program for EFI firmware carries signatures; by whom, and
// whether they hold, is not looked at.
func Signed(b []byte) (bool, error) {
	f, err := pe.NewFile(bytes.NewReader(b))
	if err != nil {
		return false, errors.New("no program for EFI")
	}
	const security = pe.IMAGE_DIRECTORY_ENTRY_SECURITY
	switch h := f.OptionalHeader.(type) {
	case *pe.OptionalHeader64:
		return h.NumberOfRvaAndSizes > security && h.DataDirectory[security].Size > 0, nil
	case *pe.OptionalHeader32:
		return h.NumberOfRvaAndSizes > security && h.DataDirectory[security].Size > 0, nil
	}
	return false, nil
}
