package fat

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf16"
)

// Entry is a name in a directory.
type Entry struct {
	Name string
	Dir  bool
	Size int64 // bytes

	first uint32 // cluster
	at    int64  // byte of the volume, its short entry
}

// Directory entries.
const (
	dirName       = 0  // 11 bytes
	dirAttr       = 11 // u8
	dirNTRes      = 12 // u8, bits lowBase and lowExt
	dirCrtTime    = 14 // u16
	dirCrtDate    = 16 // u16
	dirLstAccDate = 18 // u16
	dirFstClusHI  = 20 // u16
	dirWrtTime    = 22 // u16
	dirWrtDate    = 24 // u16
	dirFstClusLO  = 26 // u16
	dirFileSize   = 28 // u32

	attrVolume    = 0x08
	attrDirectory = 0x10
	attrArchive   = 0x20
	attrLong      = 0x0F // of an entry that holds a piece of a long name

	lowBase = 0x08 // the name is in lower case up to the dot
	lowExt  = 0x10 // and behind it

	slotFree = 0xE5 // first byte
	slotEnd  = 0x00 // first byte: neither this one nor any behind it is in use

	longOrd  = 0x3F // of the first byte of a piece: its number, from 1
	longLast = 0x40
)

// longAt are the offsets of the characters in a piece of a long name, u16 each.
var longAt = [13]int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30}

// maxDirectory is the largest directory that there can be, in bytes.
const maxDirectory = 65536 * entrySize

// directory is one, read.
type directory struct {
	first   uint32 // cluster; 0: the root of FAT12 and FAT16
	content []byte
	runs    []Range // where it lies
}

// at returns where a byte of the directory lies.
func (d *directory) at(off int64) int64 {
	for _, r := range d.runs {
		if off < r.Len {
			return r.Off + off
		}
		off -= r.Len
	}
	return -1
}

// readDirectory reads the directory that begins with a cluster; 0 is the root.
func (v *Volume) readDirectory(first uint32) (*directory, error) {
	d := &directory{first: first}
	if first == 0 && v.Bits != 32 {
		d.runs = []Range{{v.root, v.rootSize}}
	} else {
		if first == 0 {
			d.first = v.rootClus & 0x0FFFFFFF
		}
		chain, err := v.chain(d.first)
		if err != nil {
			return nil, err
		}
		for _, n := range chain {
			d.runs = append(d.runs, Range{v.place(n), v.cluster})
		}
	}
	for _, r := range d.runs {
		if int64(len(d.content))+r.Len > maxDirectory {
			return nil, fmt.Errorf("a directory of more than %d bytes", maxDirectory)
		}
		b := make([]byte, r.Len)
		if n, err := v.overlay.ReadAt(b, r.Off); n < len(b) {
			return nil, fmt.Errorf("read a directory: %w", err)
		}
		d.content = append(d.content, b...)
	}
	return d, nil
}

// entries returns the files and directories in a directory, but "." and "..".
func (d *directory) entries() (list []Entry) {
	var long []uint16
	for off := 0; off+entrySize <= len(d.content); off += entrySize {
		b := d.content[off : off+entrySize]
		switch {
		case b[0] == slotEnd:
			return list
		case b[0] == slotFree, b[0] == '.':
			long = nil
			continue
		case b[dirAttr]&0x3F == attrLong:
			long = addLong(long, b)
			continue
		case b[dirAttr]&attrVolume != 0:
			long = nil
			continue
		}
		e := Entry{Name: shortName(b), Dir: b[dirAttr]&attrDirectory != 0, Size: int64(le.Uint32(b[dirFileSize:])),
			first: uint32(le.Uint16(b[dirFstClusHI:]))<<16 | uint32(le.Uint16(b[dirFstClusLO:])), at: d.at(int64(off))}
		if long != nil {
			e.Name = string(utf16.Decode(long))
			long = nil
		}
		list = append(list, e)
	}
	return list
}

// addLong puts a piece before those of a long name that were read: the last comes first.
func addLong(name []uint16, b []byte) []uint16 {
	if b[0]&longLast != 0 {
		name = []uint16{}
	} else if name == nil {
		return nil
	}
	var piece []uint16
	for _, at := range longAt {
		c := le.Uint16(b[at:])
		if c == 0 {
			break
		}
		piece = append(piece, c)
	}
	return append(piece, name...)
}

// shortName returns the name of an entry without a long one.
func shortName(b []byte) string {
	base, ext := strings.TrimRight(string(b[:8]), " "), strings.TrimRight(string(b[8:11]), " ")
	if b[dirNTRes]&lowBase != 0 {
		base = strings.ToLower(base)
	}
	if b[dirNTRes]&lowExt != 0 {
		ext = strings.ToLower(ext)
	}
	if base != "" && base[0] == 0x05 { // stands for 0xE5
		base = "\xE5" + base[1:]
	}
	if ext != "" {
		return base + "." + ext
	}
	return base
}

// find returns an entry by its name, without regard to case.
func (d *directory) find(name string) (Entry, bool) {
	for _, e := range d.entries() {
		if strings.EqualFold(e.Name, name) {
			return e, true
		}
	}
	return Entry{}, false
}

// lookup returns the entry of a path such as "EFI/BOOT"; "" and "." are the root.
func (v *Volume) lookup(op, path string) (Entry, error) {
	e := Entry{Dir: true}
	if path == "" || path == "." {
		return e, nil
	}
	for name := range strings.SplitSeq(path, "/") {
		if !e.Dir {
			return e, &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist}
		}
		d, err := v.readDirectory(e.first)
		if err != nil {
			return e, &fs.PathError{Op: op, Path: path, Err: err}
		}
		var ok bool
		if e, ok = d.find(name); !ok {
			return e, &fs.PathError{Op: op, Path: path, Err: fs.ErrNotExist}
		}
		if e.Dir && e.first == 0 {
			return e, &fs.PathError{Op: op, Path: path, Err: fmt.Errorf("%s is a directory without a cluster", name)}
		}
	}
	return e, nil
}

// ReadDir returns what is in a directory, in its own order.
func (v *Volume) ReadDir(path string) ([]Entry, error) {
	e, err := v.lookup("readdir", path)
	if err != nil {
		return nil, err
	}
	if !e.Dir {
		return nil, &fs.PathError{Op: "readdir", Path: path, Err: fs.ErrInvalid}
	}
	d, err := v.readDirectory(e.first)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: path, Err: err}
	}
	return d.entries(), nil
}

// ReadFile returns the content of a file of at most limit bytes.
func (v *Volume) ReadFile(path string, limit int64) ([]byte, error) {
	e, err := v.lookup("read", path)
	if err != nil {
		return nil, err
	}
	fail := func(err error) ([]byte, error) { return nil, &fs.PathError{Op: "read", Path: path, Err: err} }
	switch {
	case e.Dir:
		return fail(fs.ErrInvalid)
	case e.Size > limit:
		return fail(fmt.Errorf("it has %d bytes, more than %d", e.Size, limit))
	}
	chain, err := v.chain(e.first)
	if err != nil {
		return fail(err)
	}
	if int64(len(chain))*v.cluster < e.Size {
		return fail(fmt.Errorf("%d clusters for %d bytes", len(chain), e.Size))
	}
	content := make([]byte, e.Size)
	for i, n := range chain {
		at := int64(i) * v.cluster
		if at >= e.Size {
			break
		}
		b := content[at:min(at+v.cluster, e.Size)]
		if n, err := v.overlay.ReadAt(b, v.place(n)); n < len(b) {
			return fail(err)
		}
	}
	return content, nil
}
