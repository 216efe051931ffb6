package ondisk

import "hash/crc32"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// CRC is the running value of crc32c as ext4 uses it: not inverted at the end,
// so that it can seed the next run.
type CRC uint32

// Seed is the checksum seed of a file system without metadata_csum_seed: the
// crc32c of its UUID.
func Seed(uuid [16]byte) CRC { return CRC(0xFFFFFFFF).Add(uuid[:]) }

// Add runs on over b.
func (c CRC) Add(b []byte) CRC { return CRC(^crc32.Update(^uint32(c), castagnoli, b)) }

// Add32 runs on over v as it stands on disk.
func (c CRC) Add32(v uint32) CRC {
	var b [4]byte
	le.PutUint32(b[:], v)
	return c.Add(b[:])
}

// Inode is the seed of everything that belongs to an inode of generation 0.
func (c CRC) Inode(ino uint32) CRC { return c.Add32(ino).Add32(0) }
