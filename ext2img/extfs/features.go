package extfs

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"purebundle/ext2img/internal/ondisk"
)

// incompatKnown are the features that decide how blocks are read, and are known.
const incompatKnown = ondisk.IncompatFiletype | ondisk.IncompatExtents | ondisk.Incompat64bit | ondisk.IncompatFlexBG | ondisk.IncompatCsumSeed | ondisk.IncompatLargedir

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
	if s.roCompat&ondisk.ROBigalloc != 0 {
		return errors.New("not supported: feature bigalloc")
	}
	if !s.metadataCsum() {
		return nil
	}
	if s.checksumType != 1 {
		return fmt.Errorf("unknown checksum type %d", s.checksumType)
	}
	if want, got := ondisk.SuperSum(b), le32(b, ondisk.SChecksum); want != got {
		return fmt.Errorf("superblock checksum is %#08x, want %#08x", got, want)
	}
	return nil
}
