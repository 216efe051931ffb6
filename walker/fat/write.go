package fat

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"strings"
	"time"
)

// WriteFile gives a file a content, and makes it and the directories that it lies in if
// they are missing. If it fails, the volume may be changed in part, and is not to be used.
func (v *Volume) WriteFile(name string, content []byte, at time.Time) error {
	return v.WriteFrom(name, bytes.NewReader(content), int64(len(content)), at)
}

// WriteFrom does what WriteFile does with size bytes of r, which are read when the volume
// is: r must stay as it is.
func (v *Volume) WriteFrom(name string, r io.ReaderAt, size int64, at time.Time) error {
	if size > math.MaxUint32 {
		return &fs.PathError{Op: "write", Path: name, Err: fmt.Errorf("%d bytes: more than a FAT holds in a file", size)}
	}
	if err := v.write(name, r, size, at); err != nil {
		return &fs.PathError{Op: "write", Path: name, Err: err}
	}
	return nil
}

func (v *Volume) write(name string, r io.ReaderAt, size int64, at time.Time) error {
	parent, err := v.mkdirAll(path.Dir(name), at)
	if err != nil {
		return err
	}
	d, err := v.readDirectory(parent)
	if err != nil {
		return err
	}
	old, found := d.find(path.Base(name))
	if found {
		if old.Dir {
			return fs.ErrInvalid
		}
		if err := v.free(old.first); err != nil {
			return err
		}
	}
	first, err := v.store(r, size)
	if err != nil {
		return err
	}
	if found {
		err = v.update(old.at, first, size, at)
	} else {
		err = v.add(d, path.Base(name), attrArchive, first, size, at)
	}
	if err != nil {
		return err
	}
	return v.count()
}

// free frees the clusters of a chain.
func (v *Volume) free(first uint32) error {
	chain, err := v.chain(first)
	if err != nil {
		return err
	}
	for _, n := range chain {
		if err := v.set(n, 0); err != nil {
			return err
		}
	}
	return nil
}

// store has a content in new clusters and returns the first of them, 0 if there is no
// content. What is left of the last one is zero.
func (v *Volume) store(r io.ReaderAt, size int64) (first uint32, err error) {
	chain, err := v.allocate((size + v.cluster - 1) / v.cluster)
	if err != nil || len(chain) == 0 {
		return 0, err
	}
	if err := probe(r, size); err != nil {
		return 0, err
	}
	content := io.NewSectionReader(r, 0, size)
	for i := 0; i < len(chain); {
		n := 1
		for i+n < len(chain) && chain[i+n] == chain[i]+uint32(n) {
			n++
		}
		run := ref{Range{v.place(chain[i]), int64(n) * v.cluster}, content, int64(i) * v.cluster}
		if err := v.overlay.refer(run); err != nil {
			return 0, err
		}
		i += n
	}
	return chain[0], nil
}

// probe says whether r has that many bytes.
func probe(r io.ReaderAt, size int64) error {
	var b [1]byte
	if n, err := r.ReadAt(b[:], size-1); n < 1 {
		return err
	}
	return nil
}

// update changes the entry of a file.
func (v *Volume) update(at int64, first uint32, size int64, when time.Time) error {
	b := make([]byte, entrySize)
	if n, err := v.overlay.ReadAt(b, at); n < len(b) {
		return err
	}
	fill(b, first, size, when)
	return v.overlay.writeAt(b, at)
}

// mkdirAll returns the first cluster of a directory, 0 of the root, and makes it and those
// above it if they are missing.
func (v *Volume) mkdirAll(name string, at time.Time) (uint32, error) {
	if name == "" || name == "." {
		return 0, nil
	}
	parent, err := v.mkdirAll(path.Dir(name), at)
	if err != nil {
		return 0, err
	}
	d, err := v.readDirectory(parent)
	if err != nil {
		return 0, err
	}
	if e, ok := d.find(path.Base(name)); ok {
		if !e.Dir || e.first == 0 {
			return 0, fmt.Errorf("%s: not a directory", name)
		}
		return e.first, nil
	}
	dots := make([]byte, v.cluster)
	chain, err := v.allocate(1)
	if err != nil {
		return 0, err
	}
	for i, to := range []uint32{chain[0], parent} {
		b := dots[i*entrySize : (i+1)*entrySize]
		copy(b, "..         "[1-i:])
		copy(b[i+1:], "          ")
		b[dirAttr] = attrDirectory
		fill(b, to, 0, at)
	}
	if err := v.overlay.writeAt(dots, v.place(chain[0])); err != nil {
		return 0, err
	}
	return chain[0], v.add(d, path.Base(name), attrDirectory, chain[0], 0, at)
}

// fill writes into an entry where the content is, its size in bytes, and its times.
func fill(b []byte, first uint32, size int64, at time.Time) {
	day, clock := stamp(at)
	le.PutUint16(b[dirCrtTime:], clock)
	le.PutUint16(b[dirCrtDate:], day)
	le.PutUint16(b[dirLstAccDate:], day)
	le.PutUint16(b[dirWrtTime:], clock)
	le.PutUint16(b[dirWrtDate:], day)
	le.PutUint16(b[dirFstClusHI:], uint16(first>>16))
	le.PutUint16(b[dirFstClusLO:], uint16(first))
	le.PutUint32(b[dirFileSize:], uint32(size))
}

// stamp returns a time as FAT has it, in UTC: from 1980 to 2107, to two seconds.
func stamp(t time.Time) (day, clock uint16) {
	t = t.UTC()
	switch {
	case t.Year() < 1980:
		t = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)
	case t.Year() > 2107:
		t = time.Date(2107, 12, 31, 23, 59, 58, 0, time.UTC)
	}
	return uint16((t.Year()-1980)<<9 | int(t.Month())<<5 | t.Day()), uint16(t.Hour()<<11 | t.Minute()<<5 | t.Second()/2)
}

// add adds an entry to a directory, which grows if it has no room for it.
func (v *Volume) add(d *directory, name string, attr byte, first uint32, size int64, at time.Time) error {
	slots, err := d.newEntry(name)
	if err != nil {
		return err
	}
	last := slots[len(slots)-entrySize:]
	last[dirAttr] = attr
	fill(last, first, size, at)
	off, ok := d.room(len(slots))
	for !ok {
		if err := v.growDirectory(d); err != nil {
			return err
		}
		off, ok = d.room(len(slots))
	}
	end := off + len(slots)
	for i := off; i < end; i += entrySize {
		if err := v.overlay.writeAt(slots[i-off:i-off+entrySize], d.at(int64(i))); err != nil {
			return err
		}
	}
	wasEnd := d.content[off] == slotEnd || d.content[end-entrySize] == slotEnd
	if wasEnd && end < len(d.content) {
		return v.overlay.writeAt([]byte{slotEnd}, d.at(int64(end)))
	}
	return nil
}

// room finds that many bytes of free entries, one behind the other.
func (d *directory) room(want int) (off int, ok bool) {
	start, ended := 0, false
	for off := 0; off < len(d.content); off += entrySize {
		ended = ended || d.content[off] == slotEnd
		if !ended && d.content[off] != slotFree {
			start = off + entrySize
		}
		if off+entrySize-start >= want {
			return start, true
		}
	}
	return 0, false
}

// growDirectory adds a cluster to a directory.
func (v *Volume) growDirectory(d *directory) error {
	if d.first == 0 || len(d.content)+int(v.cluster) > maxDirectory {
		return fmt.Errorf("a directory is full: %w", ErrFull)
	}
	chain, err := v.chain(d.first)
	if err != nil {
		return err
	}
	more, err := v.allocate(1)
	if err != nil {
		return err
	}
	zero := make([]byte, v.cluster)
	if err := v.overlay.writeAt(zero, v.place(more[0])); err != nil {
		return err
	}
	// A directory that was full has no end mark: what is behind it is one.
	d.content = append(d.content, zero...)
	d.runs = append(d.runs, Range{v.place(more[0]), v.cluster})
	return v.set(chain[len(chain)-1], more[0])
}

// Names of eight and three characters.
const (
	baseSize, extSize = 8, 3
	shortChars        = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'()-@^_`{}~"
)

// newEntry returns the entries of a new name: the short one last, before it the pieces of
// a long one, if it takes that.
func (d *directory) newEntry(name string) ([]byte, error) {
	if name == "" || len(name) > 255 || strings.Trim(name, ". ") != name || strings.ContainsFunc(name, func(c rune) bool {
		return c < 0x20 || c > 0x7E || strings.ContainsRune(`"*/:<>?\|`, c)
	}) {
		return nil, fmt.Errorf("%q: not a name that is written", name)
	}
	short := make([]byte, entrySize)
	base, ext := name, ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		base, ext = name[:i], name[i+1:]
	}
	copy(short, strings.Repeat(" ", baseSize+extSize))
	lowB, okB := fits(base, baseSize)
	lowE, okE := fits(ext, extSize)
	if okB && okE && base != "" {
		copy(short[:baseSize], strings.ToUpper(base))
		copy(short[baseSize:], strings.ToUpper(ext))
		if lowB {
			short[dirNTRes] |= lowBase
		}
		if lowE {
			short[dirNTRes] |= lowExt
		}
		return short, nil
	}
	if err := d.alias(short, base, ext); err != nil {
		return nil, err
	}
	return append(longPieces(name, checksum(short)), short...), nil
}

// fits says whether a part of a name needs no long one, and whether it is in lower case.
func fits(part string, most int) (low, ok bool) {
	upper := strings.ToUpper(part)
	low = part == strings.ToLower(part) && part != upper
	return low, len(part) <= most && (low || part == upper) && strings.Trim(upper, shortChars) == ""
}

// alias gives a long name a short one that is not in use.
func (d *directory) alias(short []byte, base, ext string) error {
	plain := func(s string, most int) string {
		s = strings.Map(func(c rune) rune {
			if !strings.ContainsRune(shortChars, c) {
				return '_'
			}
			return c
		}, strings.ToUpper(strings.NewReplacer(".", "", " ", "").Replace(s)))
		return s[:min(len(s), most)]
	}
	copy(short[baseSize:baseSize+extSize], plain(ext, extSize))
	used := make(map[string]bool)
	for off := 0; off+entrySize <= len(d.content) && d.content[off] != slotEnd; off += entrySize {
		used[string(d.content[off:off+baseSize+extSize])] = true
	}
	for i := 1; i < 1_000_000; i++ {
		tail := fmt.Sprintf("~%d", i)
		copy(short[:baseSize], fmt.Sprintf("%-*s", baseSize, plain(base, baseSize-len(tail))+tail))
		if !used[string(short[:baseSize+extSize])] {
			return nil
		}
	}
	return ErrFull
}

// checksum returns that of a short name, by which a long one is of it.
func checksum(short []byte) (sum byte) {
	for _, c := range short[:baseSize+extSize] {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}

// longPieces returns the entries of a long name, the last piece first.
func longPieces(name string, sum byte) (slots []byte) {
	chars := make([]uint16, 0, len(name)+13)
	for _, c := range []byte(name) { // printable ASCII, see newEntry
		chars = append(chars, uint16(c))
	}
	if len(chars)%13 != 0 {
		chars = append(chars, 0)
	}
	for len(chars)%13 != 0 {
		chars = append(chars, 0xFFFF)
	}
	count := len(chars) / 13
	for i := count - 1; i >= 0; i-- {
		b := make([]byte, entrySize)
		b[0], b[dirAttr], b[13] = byte(i+1)&longOrd, attrLong, sum
		if i == count-1 {
			b[0] |= longLast
		}
		for j, at := range longAt {
			le.PutUint16(b[at:], chars[i*13+j])
		}
		slots = append(slots, b...)
	}
	return slots
}
