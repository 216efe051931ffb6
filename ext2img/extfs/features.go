package extfs

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// Features that decide how blocks are read (s_feature_incompat).
const (
	incompatFiletype = 0x2
	incompatExtents  = 0x40
	incompat64bit    = 0x80
	incompatFlexBG   = 0x200
	incompatCsumSeed = 0x2000
	incompatLargedir = 0x4000

	incompatKnown = incompatFiletype | incompatExtents | incompat64bit | incompatFlexBG | incompatCsumSeed | incompatLargedir
)

// Features that a reader need not know, but a checker must
// (s_feature_compat and s_feature_ro_compat).
const (
	compatHasJournal   = 0x4
	compatResizeInode  = 0x10
	compatDirIndex     = 0x20
	compatSparseSuper2 = 0x200
	compatOrphanFile   = 0x1000

	roSparseSuper   = 0x1
	roHugeFile      = 0x8
	roGDTCsum       = 0x10
	roDirNlink      = 0x20
	roSnapshot      = 0x80
	roBigalloc      = 0x200
	roMetadataCsum  = 0x400
	roReplica       = 0x800
	roSharedBlocks  = 0x4000
	roOrphanPresent = 0x10000
)

// refused names the incompat features that are not read, by bit.
var refused = [32]string{
	0: "compression", 2: "needs_recovery", 3: "journal_dev", 4: "meta_bg", 8: "mmp", 10: "ea_inode",
	12: "dirdata", 15: "inline_data", 16: "encrypt", 17: "casefold",
}

// checkFeatures refuses what cannot be read, and then verifies s_checksum.
func (s *superblock) checkFeatures(b []byte) error {
	if unknown := s.incompat &^ incompatKnown; unknown != 0 {
		var names []string
		for ; unknown != 0; unknown &= unknown - 1 {
			bit := bits.TrailingZeros32(unknown)
			name := refused[bit]
			if name == "" {
				name = fmt.Sprintf("incompat bit %#x", uint32(1)<<bit)
			}
			names = append(names, name)
			if name == "needs_recovery" {
				return errors.New("the journal needs recovery: mount the image once, or run e2fsck, to replay it first")
			}
		}
		return fmt.Errorf("not supported: feature %s", strings.Join(names, ", "))
	}
	if s.roCompat&roBigalloc != 0 {
		return errors.New("not supported: feature bigalloc")
	}
	if !s.metadataCsum() {
		return nil
	}
	if s.checksumType != 1 {
		return fmt.Errorf("unknown checksum type %d", s.checksumType)
	}
	if want, got := crc32c(^uint32(0), b[:0x3fc]), le32(b, 0x3fc); want != got {
		return fmt.Errorf("superblock checksum is %#08x, want %#08x", got, want)
	}
	return nil
}
