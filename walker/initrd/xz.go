package initrd

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// xzReader reads one stream of the format .xz whose blocks LZMA2 alone compressed. The
// container is read here because ulikunitz/xz v0.5.15 allocates the dictionary, up to
// 4 GiB, that a block says it needs.
type xzReader struct {
	in    *counter
	begun bool
	check int // bytes of the check sum behind each block
	block *lzma.Reader2
	err   error
}

const (
	xzMagic     = "\xfd7zXZ\x00"
	xzHeader    = 12 // bytes of the stream's header: magic 0 (6), flags 6 (2), CRC 8 (4)
	xzFooter    = 12
	filterLZMA2 = 0x21
)

var errXZ = errors.New("damaged, or of a form that is not known")

// xzChecks has the bytes of each check sum: by its ID in the stream's flags.
var xzChecks = [16]int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}

func (x *xzReader) Read(p []byte) (n int, err error) {
	if !x.begun {
		x.begun, x.err = true, x.begin()
	}
	for x.err == nil {
		if x.block == nil {
			if x.err = x.next(); x.err != nil {
				break
			}
		}
		n, err := x.block.Read(p)
		if n > 0 {
			return n, nil
		}
		if err == io.EOF {
			x.block = nil
			x.err = x.end()
		} else {
			x.err = err
		}
	}
	return 0, x.err
}

// begin reads the stream's header.
func (x *xzReader) begin() error {
	var b [xzHeader]byte
	if _, err := io.ReadFull(x.in, b[:]); err != nil {
		return ended(err)
	}
	if b[6] != 0 || b[7] > 15 {
		return errXZ
	}
	x.check = xzChecks[b[7]]
	return nil
}

// next reads the header of a block: its length in units of 4 bytes less one (1 byte, 0 for
// the index), flags (1), sizes that flags announce, filters, padding, CRC (4).
func (x *xzReader) next() error {
	size, err := x.in.ReadByte()
	if err != nil {
		return ended(err)
	}
	if size == 0 {
		return x.index()
	}
	b := make([]byte, 4*int(size)+3) // what follows the first byte
	if _, err := io.ReadFull(x.in, b); err != nil {
		return ended(err)
	}
	flags, b := b[0], b[1:len(b)-4]
	for _, has := range []byte{0x40, 0x80} { // compressed and uncompressed size
		if flags&has != 0 {
			if _, b, err = number(b); err != nil {
				return err
			}
		}
	}
	id, b, err := number(b)
	if err != nil || flags&3 != 0 || id != filterLZMA2 || len(b) < 2 || b[0] != 1 {
		return errXZ
	}
	dict, err := lzma.DecodeDictCap(b[1])
	if err != nil {
		return err
	}
	if dict > maxDictionary {
		return fmt.Errorf("needs a dictionary of %d bytes, more than the %d that are read with", dict, maxDictionary)
	}
	x.in.n = 0
	x.block, err = lzma.Reader2Config{DictCap: max(int(dict), lzma.MinDictCap)}.NewReader2(x.in)
	return err
}

// end reads what follows the content of a block: padding to 4 bytes, the check sum.
func (x *xzReader) end() error {
	return x.discard((4-x.in.n%4)%4 + int64(x.check))
}

// index reads the index and the footer, which end the stream. It returns io.EOF. The index
// has a zero, the number of records, two numbers for each, padding to 4 bytes, and a CRC
// (4).
func (x *xzReader) index() error {
	start := x.in.n - 1
	records, err := x.number()
	for i := uint64(0); i < 2*records && err == nil; i++ {
		_, err = x.number()
	}
	if err == nil {
		err = x.discard((4-(x.in.n-start)%4)%4 + 4 + xzFooter)
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

func (x *xzReader) discard(n int64) error {
	for range n {
		if _, err := x.in.ReadByte(); err != nil {
			return ended(err)
		}
	}
	return nil
}

// number reads an integer as .xz has them: seven bits a byte, the lowest first.
func (x *xzReader) number() (uint64, error) {
	v, err := binary.ReadUvarint(x.in)
	if err != nil {
		return 0, ended(err)
	}
	return v, nil
}

func number(b []byte) (uint64, []byte, error) {
	v, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil, errXZ
	}
	return v, b[n:], nil
}

// counter counts the bytes that are read.
type counter struct {
	in *bufio.Reader
	n  int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.in.ReadByte()
	if err == nil {
		c.n++
	}
	return b, err
}
