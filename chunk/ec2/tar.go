package ec2

import (
	"bytes"
	"strconv"
)

// A tar header as GNU tar writes it: fields by offset in bytes, as in its manual
// ("Basic Tar Format", struct posix_header and struct oldgnu_header). Numbers are
// octal digits, or if those do not suffice base 256, big-endian, with the
// top bit of the field set.
const (
	blockLen  = 512   // bytes of a tar block
	recordLen = 10240 // bytes of a record: GNU tar pads the archive to whole ones

	nameOff, nameLen         = 0, 100
	modeOff, modeLen         = 100, 8
	uidOff, uidLen           = 108, 8
	gidOff, gidLen           = 116, 8
	sizeOff, sizeLen         = 124, 12 // bytes stored, without holes
	mtimeOff, mtimeLen       = 136, 12 // seconds since the epoch
	sumOff, sumLen           = 148, 8  // of all bytes, these taken as spaces
	typeOff                  = 156
	magicOff                 = 257
	spOff                    = 386 // sp: four entries of the map of a sparse file
	spCount, spExtra         = 4, 21
	moreOff                  = 482 // isextended: a block with 21 entries more follows
	realOff, realLen         = 483, 12
	extraMoreOff             = 504 // isextended of such a block
	entryLen, entryNumberLen = 24, 12
	prefixOff, prefixLen     = 345, 155 // of POSIX headers: what goes before name

	magicGNU   = "ustar  \x00"
	magicPOSIX = "ustar\x00"

	typeRegular    = '0'
	typeOldRegular = '\x00'
	typeSparse     = 'S' // GNU: the map is in the header and the blocks after it
	typeLongName   = 'L' // GNU: the content is the name of the next member
	typePax        = 'x' // POSIX: the content is records of the next member
)

type block [blockLen]byte

// putNumber writes n in octal with a NUL, or in base 256.
func putNumber(field []byte, n int64) {
	digits := strconv.FormatInt(n, 8)
	if len(digits) < len(field) {
		for i := range field[:len(field)-1] {
			field[i] = '0'
		}
		copy(field[len(field)-1-len(digits):], digits)
		return
	}
	for i := len(field) - 1; i > 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] = 0x80
}

// number reads what putNumber writes, or GNU tar. Negative numbers are refused.
func number(field []byte) (int64, error) {
	if field[0]&0x80 != 0 {
		n := int64(field[0] & 0x7f)
		for _, b := range field[1:] {
			if n >= 1<<55 {
				return 0, cause("a number in the tar header is too large")
			}
			n = n<<8 | int64(b)
		}
		return n, nil
	}
	text := string(bytes.Trim(field, " \x00"))
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 8, 63)
	if err != nil {
		return 0, cause("a number in the tar header is none")
	}
	return int64(n), nil
}

// checksum returns the sum of the bytes of b with the sum itself taken as spaces.
func (b *block) checksum() int64 {
	n := int64(0)
	for i, c := range b {
		if i >= sumOff && i < sumOff+sumLen {
			c = ' '
		}
		n += int64(c)
	}
	return n
}

// text returns a field that ends at its first NUL.
func (b *block) text(off, n int) string {
	s, _, _ := bytes.Cut(b[off:off+n], []byte{0})
	return string(s)
}

// padded rounds n up to whole tar blocks.
func padded(n int64) int64 { return (n + blockLen - 1) &^ (blockLen - 1) }
