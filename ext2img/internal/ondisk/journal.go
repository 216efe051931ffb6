package ondisk

import "encoding/binary"

// PatchJournal sets the length of a journal, in blocks, in its superblock b
// (struct journal_superblock_s, big-endian), and the checksum.
func PatchJournal(b []byte, blocks uint32) {
	binary.BigEndian.PutUint32(b[0x10:], blocks) // s_maxlen
	binary.BigEndian.PutUint32(b[0xFC:], 0)      // s_checksum, of the superblock with zero here
	binary.BigEndian.PutUint32(b[0xFC:], uint32(CRC(0xFFFFFFFF).Add(b[:0x400])))
}
