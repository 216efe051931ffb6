package ondisk

import "encoding/binary"

// Offsets in struct journal_superblock_s, in bytes; all its integers are
// big-endian.
const (
	JournalHMagic     = 0x00 // u32
	JournalHBlocktype = 0x04 // u32, 3: superblock version 1, 4: version 2
	JournalBlocksize  = 0x0C // u32, bytes
	JournalMaxlen     = 0x10 // u32, blocks
	JournalFirst      = 0x14 // u32, first block of the log
	JournalStart      = 0x1C // u32, 0: the journal is empty
	JournalErrno      = 0x20 // u32
	JournalIncompat   = 0x28 // u32
	JournalChecksum   = 0xFC // u32, see JournalSum

	JournalMagic        = 0xC03B3998
	JournalIncompatCsum = 0x8 | 0x10 // csum_v2, csum_v3
)

// OrphanMagic ends the blocks of an orphan file, before their checksum.
const OrphanMagic = 0x0B10CA04

// PatchJournal sets the length of a journal, in blocks, in its superblock b, and
// the checksum.
func PatchJournal(b []byte, blocks uint32) {
	binary.BigEndian.PutUint32(b[JournalMaxlen:], blocks)
	binary.BigEndian.PutUint32(b[JournalChecksum:], JournalSum(b))
}
