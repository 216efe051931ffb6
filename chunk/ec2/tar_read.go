package ec2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Bounds of what is believed of an archive.
const (
	maxMap     = 1 << 22 // entries of the map of a sparse member: 64 MiB of memory
	maxRecords = 1 << 20 // bytes of a POSIX extended header or of a long name
	maxHeaders = 8       // before that of the member
	maxPadding = 1 << 20 // bytes of zeros after the end of the archive
)

// tarReader reads an archive of one member: regular, or sparse in the old GNU
// form or in GNU's POSIX form 1.0.
type tarReader struct {
	r    io.Reader
	name string // from a long name or an extended header; "": that of the header
	pax  map[string]string
}

// readTar reads the archive r to its end and calls put with the data of the
// member in ascending order; what is not put is zero. The member must have this
// name and size.
func readTar(r io.Reader, name string, size int64, put func(p []byte, off int64) error) error {
	t := &tarReader{r: r}
	h, err := t.member()
	if err != nil {
		return err
	}
	if got := strings.TrimPrefix(t.memberName(h), "./"); got != name {
		return fmt.Errorf("the tar member is named %q instead of %q", got, name)
	}
	data, real, err := t.layout(h)
	if err != nil {
		return err
	}
	if real != size {
		return fmt.Errorf("the tar member has %d bytes, the manifest says %d", real, size)
	}
	if err := t.copy(data, put); err != nil {
		return err
	}
	return t.end()
}

func (t *tarReader) block() (*block, error) {
	b := new(block)
	return b, t.full(b[:])
}

func (t *tarReader) full(p []byte) error {
	if _, err := io.ReadFull(t.r, p); err != nil {
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
			return cause("the tar archive is cut short")
		}
		return err
	}
	return nil
}

// member reads headers up to that of the member.
func (t *tarReader) member() (*block, error) {
	for range maxHeaders {
		h, err := t.block()
		if err != nil {
			return nil, err
		}
		sum, err := number(h[sumOff : sumOff+sumLen])
		if err != nil || sum != h.checksum() {
			return nil, cause("no tar archive: the checksum of its header is wrong")
		}
		switch h[typeOff] {
		case typeRegular, typeOldRegular, typeSparse:
			return h, nil
		case typeLongName:
			text, err := t.records(h)
			if err != nil {
				return nil, err
			}
			t.name = strings.TrimRight(string(text), "\x00")
		case typePax:
			text, err := t.records(h)
			if err != nil {
				return nil, err
			}
			if t.pax, err = paxRecords(text); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("the tar member is no regular file (type %q)", h[typeOff])
		}
	}
	return nil, cause("the tar archive has too many extended headers")
}

// records reads the content of a header that describes the next one.
func (t *tarReader) records(h *block) ([]byte, error) {
	n, err := number(h[sizeOff : sizeOff+sizeLen])
	if err != nil {
		return nil, err
	}
	if n > maxRecords {
		return nil, fmt.Errorf("an extended tar header has %d bytes", n)
	}
	text := make([]byte, padded(n))
	return text[:n], t.full(text)
}

// paxRecords parses "LENGTH KEY=VALUE\n"; LENGTH counts the whole record.
func paxRecords(text []byte) (map[string]string, error) {
	bad := cause("an extended tar header makes no sense")
	out := make(map[string]string)
	for len(text) > 0 {
		digits, _, ok := bytes.Cut(text, []byte(" "))
		n, err := strconv.Atoi(string(digits))
		if !ok || err != nil || n <= len(digits)+1 || n > len(text) || text[n-1] != '\n' {
			return nil, bad
		}
		key, value, ok := strings.Cut(string(text[len(digits)+1:n-1]), "=")
		if !ok {
			return nil, bad
		}
		out[key] = value
		text = text[n:]
	}
	return out, nil
}

func (t *tarReader) memberName(h *block) string {
	for _, name := range []string{t.pax["GNU.sparse.name"], t.pax["path"], t.name} {
		if name != "" {
			return name
		}
	}
	name := h.text(nameOff, nameLen)
	if string(h[magicOff:magicOff+len(magicPOSIX)]) == magicPOSIX {
		if dir := h.text(prefixOff, prefixLen); dir != "" {
			return dir + "/" + name
		}
	}
	return name
}

// layout returns the ranges of the file that the data after h fills, and its size.
func (t *tarReader) layout(h *block) (data []Range, size int64, err error) {
	stored, err := number(h[sizeOff : sizeOff+sizeLen])
	if s := t.pax["size"]; err == nil && s != "" {
		stored, err = paxNumber(s)
	}
	if err != nil {
		return nil, 0, err
	}
	switch major, minor := t.pax["GNU.sparse.major"], t.pax["GNU.sparse.minor"]; {
	case h[typeOff] == typeSparse:
		data, size, err = t.oldMap(h)
	case major == "1" && minor == "0":
		size, err = paxNumber(t.pax["GNU.sparse.realsize"])
		if err == nil {
			var used int64
			data, used, err = t.paxMap(stored)
			stored -= used
		}
	case major != "" || t.pax["GNU.sparse.map"] != "" || t.pax["GNU.sparse.size"] != "":
		return nil, 0, fmt.Errorf("the tar member is sparse in a form (%s.%s) that is not read; tar --format=gnu -S makes one that is",
			orZero(major), orZero(minor))
	default:
		return []Range{{0, stored}}, stored, nil
	}
	if err != nil {
		return nil, 0, err
	}
	return data, size, checkMap(data, size, stored)
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

func paxNumber(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, cause("a number in an extended tar header is none")
	}
	return int64(n), nil
}

// oldMap reads the map from the header and the blocks that follow it.
func (t *tarReader) oldMap(h *block) (data []Range, size int64, err error) {
	if size, err = number(h[realOff : realOff+realLen]); err != nil {
		return nil, 0, err
	}
	entries, more := h[spOff:spOff+spCount*entryLen], h[moreOff]
	for {
		for ; len(entries) > 0; entries = entries[entryLen:] {
			if entries[0] == 0 {
				break // the rest of this block is not used
			}
			off, err1 := number(entries[:entryNumberLen])
			n, err2 := number(entries[entryNumberLen:entryLen])
			if err := errors.Join(err1, err2); err != nil {
				return nil, 0, err
			}
			data = append(data, Range{off, n})
		}
		if more == 0 {
			return data, size, nil
		}
		if len(data) > maxMap {
			return nil, 0, fmt.Errorf("the tar member has more than %d holes", maxMap)
		}
		b, err := t.block()
		if err != nil {
			return nil, 0, err
		}
		entries, more = b[:spExtra*entryLen], b[extraMoreOff]
	}
}

// paxMap reads the map in decimal that stands before the data, in whole blocks;
// used is their length in bytes.
func (t *tarReader) paxMap(stored int64) (data []Range, used int64, err error) {
	var pending []byte
	line := func() (int64, error) {
		for {
			if text, rest, ok := bytes.Cut(pending, []byte("\n")); ok {
				pending = rest
				return paxNumber(string(text))
			}
			if len(pending) > 20 || used >= stored {
				return 0, cause("the map of the sparse tar member makes no sense")
			}
			b, err := t.block()
			if err != nil {
				return 0, err
			}
			used += blockLen
			pending = append(pending, b[:]...)
		}
	}
	count, err := line()
	if err != nil {
		return nil, 0, err
	}
	if count > maxMap {
		return nil, 0, fmt.Errorf("the tar member has more than %d holes", maxMap)
	}
	for range count {
		off, err := line()
		if err != nil {
			return nil, 0, err
		}
		n, err := line()
		if err != nil {
			return nil, 0, err
		}
		data = append(data, Range{off, n})
	}
	return data, used, nil
}

// checkMap refuses a map that is not ascending, leaves the file, or does not
// have the bytes that are stored. Each range begins a block of tar.
func checkMap(data []Range, size, stored int64) error {
	at, sum := int64(0), int64(0)
	for i, r := range data {
		if r.Off < at || r.end() < r.Off || r.end() > size || r.Len%blockLen != 0 && i < len(data)-1 && data[i+1].Len > 0 {
			return cause("the map of the sparse tar member makes no sense")
		}
		at = r.end()
		sum += r.Len
	}
	if sum != stored {
		return fmt.Errorf("the map of the sparse tar member has %d bytes of data, its header %d", sum, stored)
	}
	return nil
}

// copy hands on the data, and skips what fills its last block.
func (t *tarReader) copy(data []Range, put func(p []byte, off int64) error) error {
	longest := int64(blockLen)
	for _, r := range data {
		longest = max(longest, r.Len)
	}
	buf := make([]byte, min(longest, stepLen))
	total := int64(0)
	for _, r := range data {
		for at := r.Off; at < r.end(); {
			p := buf[:min(int64(len(buf)), r.end()-at)]
			if err := t.full(p); err != nil {
				return err
			}
			if err := put(p, at); err != nil {
				return err
			}
			at += int64(len(p))
			total += int64(len(p))
		}
	}
	return t.full(buf[:padded(total)-total])
}

// end reads the two zero blocks of the end and the zeros that fill the record.
func (t *tarReader) end() error {
	buf := make([]byte, 20*blockLen) // a record of tar
	total := 0
	for {
		n, err := t.r.Read(buf)
		if len(bytes.Trim(buf[:n], "\x00")) > 0 {
			return cause("the tar archive has a second member, or something else, after the image")
		}
		total += n
		switch {
		case err == io.EOF && total >= 2*blockLen && total%blockLen == 0:
			return nil
		case err == io.EOF:
			return cause("the tar archive is cut short")
		case err != nil:
			return err
		case total > maxPadding:
			return cause("the tar archive does not end after the image")
		}
	}
}
