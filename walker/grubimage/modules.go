package grubimage

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// Image says what is built into an image of GRUB.
type Image struct {
	Modules []string // by name: "ext2", "part_gpt"
	Prefix  string   // the directory of its files: "/EFI/debian", "(,gpt1)/boot/grub"
}

// Has says whether a module is built in.
func (i *Image) Has(module string) bool { return slices.Contains(i.Modules, module) }

// ErrNone says that there is no image of GRUB, or of a kind that is not known.
var ErrNone = errors.New("no image of GRUB")

// maxModules bounds how many are listed; Debian's signed GRUB has some 150.
const maxModules = 2000

var le = binary.LittleEndian

// magic begins struct grub_module_info: GRUB_MODULE_MAGIC.
var magic = []byte("mimg")

// Types of objects in an image: enum of include/grub/kernel.h.
const (
	objectELF    = 0
	objectPrefix = 3
)

// objects returns what the objects behind a grub_module_info are. Its fields are, for
// 32 bits: magic 0 (4 bytes), offset 4 (4), size 8 (4); for 64: magic 0 (4), offset 8 (8),
// size 16 (8); size counts from the start, and objects begin at offset. Each has a
// grub_module_header: type 0 (4), size 4 (4), which counts the header.
func objects(b []byte, wide bool) (*Image, error) {
	head := 12
	if wide {
		head = 24
	}
	if len(b) < head || !bytes.HasPrefix(b, magic) {
		return nil, ErrNone
	}
	off, size := uint64(le.Uint32(b[4:])), uint64(le.Uint32(b[8:]))
	if wide {
		off, size = le.Uint64(b[8:]), le.Uint64(b[16:])
	}
	if off < uint64(head) || off > size || size > uint64(len(b)) {
		return nil, ErrNone
	}
	i := new(Image)
	for rest := b[off:size]; len(rest) >= 8 && len(i.Modules) < maxModules; {
		kind, n := le.Uint32(rest), uint64(le.Uint32(rest[4:]))
		if n < 8 || n > uint64(len(rest)) {
			return nil, ErrNone
		}
		switch content := rest[8:n]; kind {
		case objectELF:
			if name := moduleName(content); name != "" {
				i.Modules = append(i.Modules, name)
			}
		case objectPrefix:
			i.Prefix = text(content)
		}
		rest = rest[n:]
	}
	return i, nil
}

// moduleName returns the name that a module has in its section .modname, "" if it has
// none.
func moduleName(b []byte) string {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return ""
	}
	s := f.Section(".modname")
	if s == nil || s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 || s.Size > maxName {
		return ""
	}
	name, err := s.Data()
	if err != nil {
		return ""
	}
	return text(name)
}

// maxName bounds the name of a module, in bytes.
const maxName = 256

// text returns what stands before the first NUL.
func text(b []byte) string {
	before, _, _ := strings.Cut(string(b[:min(len(b), 4096)]), "\x00")
	return before
}
