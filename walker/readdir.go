package walker

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// names is the content of one directory in byte order. Its memory is used again for the next directory.
type names struct {
	text []byte // all names, one after the other
	list []name
	next int // in list
}

// name is one directory entry.
type name struct {
	off, end uint32 // in names.text
	typ      uint8  // DT_*, or typeMade
	bundled  bool   // it belongs to an older bundle that is left out
	ino      uint64 // of the entry itself, also where something is mounted on it
}

// typeMade marks a standard device that the directory does not have; ino is its index.
const typeMade = 0xff

// direntHeader is the offset in bytes of d_name in struct linux_dirent64: d_ino 0 (8), d_off 8 (8), d_reclen 16 (2), d_type 18 (1).
const direntHeader = 19

// maxNames bounds the names of one directory, in bytes as ext4 stores them, 8 bytes for each included: a directory of the image (an index
// of two levels over blocks of 4 KiB, of which splits leave a quarter free) holds no more.
const maxNames = 640 << 20

// errManyNames says that a directory has more names than maxNames.
var errManyNames = errors.New("has more names than a directory of the image can hold (640 MiB of them): the rest is left out")

// read adds to n the names in the directory fd, without "." and "..", up to limit bytes. On an error n holds what was read until then.
func (n *names) read(fd int, buf []byte, limit int) error {
	for {
		if len(n.text)+8*len(n.list) > limit {
			return errManyNames
		}
		size, err := unix.Getdents(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || size == 0 {
			return err
		}
		n.parse(buf[:size])
	}
}

func (n *names) clear() { n.text, n.list, n.next = n.text[:0], n.list[:0], 0 }

func (n *names) add(text string, typ uint8, ino uint64) {
	off := uint32(len(n.text))
	n.text = append(n.text, text...)
	n.list = append(n.list, name{off: off, end: uint32(len(n.text)), typ: typ, ino: ino})
}

// sort puts the names in byte order, and one that the walk made up behind a real one. Of equal real names one stays: XFS (seen in
// 6.18) gives a name twice if the directory changes while it is read.
func (n *names) sort() {
	slices.SortFunc(n.list, func(a, b name) int {
		return cmp.Or(bytes.Compare(n.text[a.off:a.end], n.text[b.off:b.end]), cmp.Compare(a.typ, b.typ))
	})
	n.list = slices.CompactFunc(n.list, func(a, b name) bool {
		return a.typ != typeMade && b.typ != typeMade && bytes.Equal(n.text[a.off:a.end], n.text[b.off:b.end])
	})
}

// parse appends the entries of one getdents64 buffer.
func (n *names) parse(buf []byte) {
	for len(buf) > direntHeader {
		size := int(binary.NativeEndian.Uint16(buf[16:]))
		if size <= direntHeader || size > len(buf) {
			return
		}
		text := buf[direntHeader:size]
		if end := bytes.IndexByte(text, 0); end >= 0 {
			text = text[:end]
		}
		if s := string(text); s != "." && s != ".." && s != "" {
			n.add(s, buf[18], binary.NativeEndian.Uint64(buf))
		}
		buf = buf[size:]
	}
}
