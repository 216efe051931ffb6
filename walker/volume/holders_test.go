package volume_test

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/google/uuid"

	"purebundle/ext2img/imgtest"
)

// raid returns a superblock of version 1 that lies at an offset, of a member of size
// bytes.
func raid(at, size int64) []byte {
	b := make([]byte, 512)
	le := binary.LittleEndian
	le.PutUint32(b, 0xa92b4efc)
	le.PutUint32(b[4:], 1)
	id := uuid.MustParse(someUUID)
	copy(b[16:], id[:])
	copy(b[32:], "host:0")
	le.PutUint64(b[80:], uint64(size/512))
	le.PutUint64(b[136:], uint64(size/512)) // data_size
	le.PutUint64(b[144:], uint64(at/512))   // super_offset
	var sum uint64
	for i := 0; i < 256; i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[216:], uint32(sum)+uint32(sum>>32)) // sb_csum
	return b
}

// oldRaid returns a superblock of version 0.90.
func oldRaid() []byte {
	b := make([]byte, 4096)
	le := binary.LittleEndian
	for i, v := range []uint32{0xa92b4efc, 0, 90, 0, 0, 0x11223344} {
		le.PutUint32(b[4*i:], v)
	}
	for i := range 3 {
		le.PutUint32(b[52+4*i:], 0x55667788*uint32(i+1))
	}
	var sum uint64
	for i := 0; i < len(b); i += 4 {
		sum += uint64(le.Uint32(b[i:]))
	}
	le.PutUint32(b[152:], uint32(sum)+uint32(sum>>32)) // sb_csum
	return b
}

// TestIdentifyHolders has what holds other devices, as their formats are written
// down; blkid says whether they are.
func TestIdentifyHolders(t *testing.T) {
	const size = 4<<20 + 12<<10 // no multiple of 64 KiB
	luks := func(version byte) []byte {
		b := make([]byte, 4096)
		copy(b, "LUKS\xba\xbe\x00")
		b[7] = version
		if version == 2 {
			copy(b[24:], "locked")
			binary.BigEndian.PutUint64(b[8:], 4096)
		}
		copy(b[168:], someUUID)
		return b
	}
	lvm := make([]byte, 512)
	copy(lvm, "LABELONE\x01")
	copy(lvm[24:], "LVM2 001")
	lvm[8], lvm[20] = 1, 32 // sector_xl, offset_xl
	copy(lvm[32:], "abcdefghijklmnopqrstuvwxyzABCDEF")
	crc := uint32(0xf597a6cf) // as LVM2 begins its checksum
	for _, c := range lvm[20:] {
		crc ^= uint32(c)
		for range 8 {
			crc = crc>>1 ^ 0xedb88320&-(crc&1)
		}
	}
	binary.LittleEndian.PutUint32(lvm[16:], crc)
	end := int64(size-8<<10) &^ 4095
	for name, c := range map[string]struct {
		pieces map[int64][]byte
		want   string
		label  string
	}{
		"LUKS1":     {map[int64][]byte{0: luks(1)}, "crypto_LUKS", ""},
		"LUKS2":     {map[int64][]byte{0: luks(2)}, "crypto_LUKS", "locked"},
		"LVM":       {map[int64][]byte{512: lvm}, "LVM2_member", ""},
		"RAID 1.2":  {map[int64][]byte{4096: raid(4096, size)}, "linux_raid_member", "host:0"},
		"RAID 1.1":  {map[int64][]byte{0: raid(0, size)}, "linux_raid_member", "host:0"},
		"RAID 1.0":  {map[int64][]byte{end: raid(end, size)}, "linux_raid_member", "host:0"},
		"RAID 0.90": {map[int64][]byte{size&^65535 - 65536: oldRaid()}, "linux_raid_member", ""},
	} {
		t.Run(name, func(t *testing.T) {
			image := holder(t, size, c.pieces)
			if fs := likeBlkid(t, image); fs.Type != c.want || fs.Label != c.label {
				t.Errorf("%+v", fs)
			}
			if !strings.HasSuffix(name, "0") {
				return
			}
			// An ESP in a mirror: the file system at the start is not what it is.
			imgtest.Run(t, "mkfs.vfat", "-n", "UEFI", image, "3072")
			if fs := likeBlkid(t, image); fs.Type != c.want {
				t.Errorf("with a FAT: %+v", fs)
			}
		})
	}
}
