package ondisk

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC is the running value of crc32c as ext4 uses it: not inverted at the end,
// so that it can seed the next run.
type CRC uint32

// Seed returns the checksum seed of a file system without metadata_csum_seed: the
// crc32c of its UUID.
func Seed(uuid [16]byte) CRC { return start.Add(uuid[:]) }

// Add runs on over b.
func (c CRC) Add(b []byte) CRC { return CRC(^crc32.Update(^uint32(c), castagnoli, b)) }

// Add32 runs on over v as it stands on disk.
func (c CRC) Add32(v uint32) CRC {
	var b [4]byte
	le.PutUint32(b[:], v)
	return c.Add(b[:])
}

// Inode returns the seed of all that belongs to an inode (i_generation).
func (c CRC) Inode(ino, generation uint32) CRC { return c.Add32(ino).Add32(generation) }

// start is the seed of checksums that have none of their own.
const start CRC = 0xFFFFFFFF

// noSum takes the place of a checksum of 16 bits in its own calculation.
var noSum [2]byte

// SuperSum returns s_checksum of a superblock.
func SuperSum(b []byte) uint32 { return uint32(start.Add(b[:SChecksum])) }

// GroupSum returns bg_checksum of a descriptor, with metadata_csum.
func GroupSum(b []byte, number uint32, seed CRC) uint16 {
	return uint16(seed.Add32(number).Add(b[:BgChecksum]).Add(noSum[:]).Add(b[BgChecksum+2:]))
}

// GroupSum16 returns bg_checksum of a descriptor with the older gdt_csum: CRC-16
// of the UUID, the number and the descriptor without the checksum.
func GroupSum16(b []byte, number uint32, uuid [16]byte) uint16 {
	var n [4]byte
	le.PutUint32(n[:], number)
	sum := crc16(crc16(0xFFFF, uuid[:]), n[:])
	return crc16(crc16(sum, b[:BgChecksum]), b[BgChecksum+2:])
}

// crc16 runs on over b: the ANSI polynomial x^16+x^15+x^2+1, reflected.
func crc16(sum uint16, b []byte) uint16 {
	for _, c := range b {
		sum ^= uint16(c)
		for range 8 {
			low := sum & 1
			sum >>= 1
			if low != 0 {
				sum ^= 0xA001
			}
		}
	}
	return sum
}

// InodeSum returns the checksum of inode ino; wide says whether the inode has
// room for its upper half (i_checksum_hi).
func InodeSum(b []byte, ino uint32, seed CRC) (sum uint32, wide bool) {
	wide = len(b) > GoodOldInodeSize && le.Uint16(b[IExtraIsize:]) >= IChecksumHi+2-GoodOldInodeSize
	c := seed.Inode(ino, le.Uint32(b[IGeneration:])).Add(b[:IChecksumLo]).Add(noSum[:])
	if !wide {
		return uint32(c.Add(b[IChecksumLo+2:])), false
	}
	return uint32(c.Add(b[IChecksumLo+2 : IChecksumHi]).Add(noSum[:]).Add(b[IChecksumHi+2:])), true
}

// HtreeSum returns dt_checksum of an index block with count entries from off on:
// over all up to the last of them, then the tail's reserved word, which is at
// tail, and a zero checksum. seed is the inode's.
func HtreeSum(b []byte, off, count, tail int, seed CRC) uint32 {
	return uint32(seed.Add(b[:off+8*count]).Add(b[tail : tail+4]).Add32(0))
}

// XattrSum returns h_checksum of an attribute block, which covers its number.
func XattrSum(b []byte, block uint64, seed CRC) uint32 {
	c := seed.Add32(uint32(block)).Add32(uint32(block >> 32))
	return uint32(c.Add(b[:XattrHChecksum]).Add32(0).Add(b[XattrHChecksum+4:]))
}

// JournalSum returns s_checksum of a journal's superblock, of b's first 1,024
// bytes.
func JournalSum(b []byte) uint32 {
	return uint32(start.Add(b[:JournalChecksum]).Add32(0).Add(b[JournalChecksum+4 : 1024]))
}
