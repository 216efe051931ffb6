package ondisk

import "math/bits"

// HashHalfMD4 is s_def_hash_version of our images; with SignedHash in s_flags,
// bytes of names count as signed char, as on x86.
const (
	HashHalfMD4 = 1
	SignedHash  = 1 // EXT2_FLAGS_SIGNED_HASH
)

// NameHash is the half-MD4 hash of a name, its lowest bit clear, as the kernel's
// fs/ext4/hash.c orders hashed directories.
func NameHash(name string, seed [4]uint32) uint32 {
	buf := seed
	if seed == [4]uint32{} {
		buf = [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	}
	for {
		var in [8]uint32
		packName(&in, name)
		halfMD4(&buf, &in)
		if len(name) <= 32 {
			break
		}
		name = name[32:]
	}
	const eof = 0x7fffffff << 1 // EXT4_HTREE_EOF_32BIT: marks the end for readers
	hash := buf[1] &^ 1
	if hash == eof {
		hash = (0x7fffffff - 1) << 1
	}
	return hash
}

// packName fills 32 bytes from the start of name, padded with its length.
func packName(in *[8]uint32, name string) {
	pad := uint32(len(name)) | uint32(len(name))<<8
	pad |= pad << 16
	n := min(len(name), 32)
	word, i := pad, 0
	for j := 0; j < n; j++ {
		word = uint32(int32(int8(name[j]))) + word<<8
		if j%4 == 3 {
			in[i] = word
			word = pad
			i++
		}
	}
	if i < 8 {
		in[i] = word
		i++
	}
	for ; i < 8; i++ {
		in[i] = pad
	}
}

// halfMD4 is MD4 with 8 of 16 steps in each of its three rounds.
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
