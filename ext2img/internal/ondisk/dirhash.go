package ondisk

import "math/bits"

// Hash versions of directories (s_def_hash_version, hash_version). Ours is
// half-MD4.
const (
	HashLegacy  = 0
	HashHalfMD4 = 1
	HashTEA     = 2
)

// Flags in s_flags that say how bytes of names count in hashes.
const (
	SignedHash   = 1 // EXT2_FLAGS_SIGNED_HASH, as on x86: that of our images
	UnsignedHash = 2 // EXT2_FLAGS_UNSIGNED_HASH
)

// Signedness says how bytes of names count.
type Signedness bool

// Bytes of names as signed or unsigned char.
const (
	Signed   Signedness = false
	Unsigned Signedness = true
)

func (s Signedness) char(c byte) uint32 {
	if s == Unsigned {
		return uint32(c)
	}
	return uint32(int32(int8(c)))
}

// NameHash returns the hash of a name by which a directory is ordered, its
// lowest bit clear, as the kernel's fs/ext4/hash.c has it. ok is false for an
// unknown version. seed is s_hash_seed.
func NameHash(version uint8, name string, seed [4]uint32, sign Signedness) (hash uint32, ok bool) {
	if seed == [4]uint32{} {
		seed = [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	}
	switch version {
	case HashLegacy:
		hash = legacyHash(name, sign)
	case HashHalfMD4:
		hash = halfMD4Hash(name, &seed, sign)
	case HashTEA:
		hash = teaHash(name, &seed, sign)
	default:
		return 0, false
	}
	const eof = 0x7fffffff << 1 // EXT4_HTREE_EOF_32BIT: marks the end for readers
	hash &^= 1
	if hash == eof {
		hash = (0x7fffffff - 1) << 1
	}
	return hash, true
}

// legacyHash returns the hash of the first kernels with hashed directories.
func legacyHash(name string, sign Signedness) uint32 {
	a, b := uint32(0x12a3fe2d), uint32(0x37abe8f9)
	for i := 0; i < len(name); i++ {
		h := b + (a ^ sign.char(name[i])*7152373)
		if h&0x80000000 != 0 {
			h -= 0x7fffffff
		}
		a, b = h, a
	}
	return a << 1
}

func halfMD4Hash(name string, buf *[4]uint32, sign Signedness) uint32 {
	var in [8]uint32
	for {
		packName(in[:], name, sign)
		halfMD4(buf, &in)
		if len(name) <= 32 {
			return buf[1]
		}
		name = name[32:]
	}
}

func teaHash(name string, buf *[4]uint32, sign Signedness) uint32 {
	var in [4]uint32
	for {
		packName(in[:], name, sign)
		tea(buf, &in)
		if len(name) <= 16 {
			return buf[0]
		}
		name = name[16:]
	}
}

// packName fills words with four bytes of a name each, the first in the highest,
// and pads with the name's length.
func packName(in []uint32, name string, sign Signedness) {
	pad := uint32(len(name)) | uint32(len(name))<<8
	pad |= pad << 16
	high := uint32(0) // what a byte over 0x7F brings with it
	if sign == Signed {
		high = 0xFFFFFF00
	}
	name = name[:min(len(name), 4*len(in))]
	for i := range in {
		word := pad
		for j := 0; j < 4 && j < len(name); j++ {
			c := uint32(name[j])
			word = (c | -(c>>7)&high) + word<<8
		}
		in[i], name = word, name[min(4, len(name)):]
	}
}

// tea does sixteen rounds of the Tiny Encryption Algorithm.
func tea(buf *[4]uint32, in *[4]uint32) {
	b0, b1 := buf[0], buf[1]
	sum := uint32(0)
	for range 16 {
		sum += 0x9e3779b9
		b0 += (b1<<4 + in[0]) ^ (b1 + sum) ^ (b1>>5 + in[1])
		b1 += (b0<<4 + in[2]) ^ (b0 + sum) ^ (b0>>5 + in[3])
	}
	buf[0] += b0
	buf[1] += b1
}

// halfMD4 does MD4 with 8 of 16 steps in each of its three rounds.
func halfMD4(buf *[4]uint32, in *[8]uint32) {
	a, b, c, d := buf[0], buf[1], buf[2], buf[3]
	f := func(x, y, z uint32) uint32 { return z ^ x&(y^z) }
	g := func(x, y, z uint32) uint32 { return x&y + (x^y)&z }
	h := func(x, y, z uint32) uint32 { return x ^ y ^ z }
	round := func(fn func(x, y, z uint32) uint32, k uint32, order [8]int, s [4]int) {
		for i := 0; i < 8; i += 4 {
			a = bits.RotateLeft32(a+fn(b, c, d)+in[order[i]]+k, s[0])
			d = bits.RotateLeft32(d+fn(a, b, c)+in[order[i+1]]+k, s[1])
			c = bits.RotateLeft32(c+fn(d, a, b)+in[order[i+2]]+k, s[2])
			b = bits.RotateLeft32(b+fn(c, d, a)+in[order[i+3]]+k, s[3])
		}
	}
	round(f, 0, [8]int{0, 1, 2, 3, 4, 5, 6, 7}, [4]int{3, 7, 11, 19})
	round(g, 0x5A827999, [8]int{1, 3, 5, 7, 0, 2, 4, 6}, [4]int{3, 5, 9, 13})
	round(h, 0x6ED9EBA1, [8]int{3, 7, 2, 6, 1, 5, 0, 4}, [4]int{3, 9, 11, 15})
	buf[0] += a
	buf[1] += b
	buf[2] += c
	buf[3] += d
}
