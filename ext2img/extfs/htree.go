package extfs

import "math/bits"

const (
	htreeRootOffset = 0x20 // of limit and count, behind ".", ".." and struct dx_root_info
	htreeNodeOffset = 0x8  // likewise, behind an unused directory entry
	htreeInfoOffset = 0x18 // struct dx_root_info: zero u32, hash version, length, levels, flags

	hashLegacy  = 0
	hashHalfMD4 = 1
	hashTEA     = 2

	superUnsignedHash = 0x2 // s_flags: names are of unsigned bytes
)

// nameHash gives the hash of a name that a directory is ordered by; ok is
// false for an unknown version. The lowest bit is always zero.
func (f *FS) nameHash(version uint8, name []byte) (hash uint32, ok bool) {
	unsigned := f.sb.flags&superUnsignedHash != 0
	char := func(c byte) uint32 {
		if unsigned {
			return uint32(c)
		}
		return uint32(int32(int8(c)))
	}
	state := [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	if f.sb.hashSeed != [4]uint32{} {
		state = f.sb.hashSeed
	}
	switch version {
	case hashLegacy:
		hash = legacyHash(name, char)
	case hashHalfMD4:
		var in [8]uint32
		for rest := name; ; {
			packName(in[:], rest, char)
			halfMD4(&state, &in)
			if len(rest) <= 32 {
				break
			}
			rest = rest[32:]
		}
		hash = state[1]
	case hashTEA:
		var in [4]uint32
		for rest := name; ; {
			packName(in[:], rest, char)
			tea(&state, &in)
			if len(rest) <= 16 {
				break
			}
			rest = rest[16:]
		}
		hash = state[0]
	default:
		return 0, false
	}
	hash &^= 1
	if hash == 0xfffffffe { // kept for the end of a directory
		hash = 0xfffffffc
	}
	return hash, true
}

// legacyHash is that of the first htree kernels.
func legacyHash(name []byte, char func(byte) uint32) uint32 {
	a, b := uint32(0x12a3fe2d), uint32(0x37abe8f9)
	for _, c := range name {
		h := b + (a ^ char(c)*7152373)
		if h&0x80000000 != 0 {
			h -= 0x7fffffff
		}
		a, b = h, a
	}
	return a << 1
}

// packName fills words with up to four bytes of a name each, big-endian, and
// pads with its length.
func packName(words []uint32, name []byte, char func(byte) uint32) {
	pad := uint32(len(name))
	pad |= pad << 8
	pad |= pad << 16
	name = name[:min(len(name), 4*len(words))]
	for i := range words {
		word := pad
		for range 4 {
			if len(name) == 0 {
				break
			}
			word = char(name[0]) + word<<8
			name = name[1:]
		}
		words[i] = word
	}
}

// halfMD4 is three rounds of eight steps of MD4.
func halfMD4(state *[4]uint32, in *[8]uint32) {
	a, b, c, d := state[0], state[1], state[2], state[3]
	step := func(f, x uint32, shift int) {
		// The four words take turns: a, d, c, b.
		a, b, c, d = d, bits.RotateLeft32(a+f+x, shift), b, c
	}
	for i, k := range [8]int{0, 1, 2, 3, 4, 5, 6, 7} {
		step(d^b&(c^d), in[k], [4]int{3, 7, 11, 19}[i%4])
	}
	for i, k := range [8]int{1, 3, 5, 7, 0, 2, 4, 6} {
		step(b&c+(b^c)&d, in[k]+0x5a827999, [4]int{3, 5, 9, 13}[i%4])
	}
	for i, k := range [8]int{3, 7, 2, 6, 1, 5, 0, 4} {
		step(b^c^d, in[k]+0x6ed9eba1, [4]int{3, 9, 11, 15}[i%4])
	}
	state[0] += a
	state[1] += b
	state[2] += c
	state[3] += d
}

// tea is sixteen rounds of the Tiny Encryption Algorithm.
func tea(state *[4]uint32, in *[4]uint32) {
	b0, b1 := state[0], state[1]
	sum := uint32(0)
	for range 16 {
		sum += 0x9e3779b9
		b0 += (b1<<4 + in[0]) ^ (b1 + sum) ^ (b1>>5 + in[1])
		b1 += (b0<<4 + in[2]) ^ (b0 + sum) ^ (b0>>5 + in[3])
	}
	state[0] += b0
	state[1] += b1
}
