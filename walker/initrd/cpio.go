package initrd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// A header of "newc" has 110 characters: the magic 070701 (070702 with check sums), then
// 13 numbers of eight hexadecimal digits each, of which these are looked at. The name
// follows with a NUL, then the content; both end at a multiple of 4 bytes.
const (
	headerSize = 110
	fieldMode  = 1
	fieldSize  = 6
	fieldName  = 11 // c_namesize, with the NUL

	maxName = 4096 // PATH_MAX
	trailer = "TRAILER!!!"
)

var errHeader = errors.New("damaged header of cpio")

func isArchive(magic []byte) bool {
	return string(magic) == "070701" || string(magic) == "070702"
}

// archive reads one archive up to its trailer.
func (w *walk) archive(in *bufio.Reader) error {
	var head [headerSize]byte
	for {
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return ended(err)
		}
		if !isArchive(head[:6]) {
			return errHeader
		}
		mode, ok1 := hex(head[:], fieldMode)
		size, ok2 := hex(head[:], fieldSize)
		n, ok3 := hex(head[:], fieldName)
		if !ok1 || !ok2 || !ok3 || n < 1 || n > maxName {
			return errHeader
		}
		padded := (headerSize+n+3)&^3 - headerSize
		if cap(w.name) < int(padded) {
			w.name = make([]byte, padded)
		}
		w.name = w.name[:padded]
		if _, err := io.ReadFull(in, w.name); err != nil {
			return ended(err)
		}
		if w.left -= headerSize + padded; w.left < 0 {
			return errTooLong
		}
		name := string(w.name[:n-1])
		if name == trailer {
			return nil
		}
		if w.stopped = w.fn(Entry{name, uint32(mode), size}); w.stopped != nil {
			return w.stopped
		}
		if err := w.skip(in, (size+3)&^3); err != nil {
			return err
		}
	}
}

// skip reads over the content of an entry.
func (w *walk) skip(in *bufio.Reader, n int64) error {
	if w.left -= n; w.left < 0 {
		return errTooLong
	}
	for n > 0 {
		some, err := in.Discard(int(min(n, 1<<30)))
		if err != nil {
			return ended(err)
		}
		n -= int64(some)
	}
	return nil
}

// ended says that an archive has no trailer.
func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("ends too early: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// hex returns a field of a header.
func hex(head []byte, field int) (v int64, ok bool) {
	for _, c := range head[6+8*field:][:8] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		v = v<<4 | int64(c)
	}
	return v, true
}
