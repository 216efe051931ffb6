package volume

import (
	"bytes"
	"io"
	"strings"
)

// swap reads union swap_header (include/linux/swap.h): its magic is at the end of
// the first page, whose size is that of the machine that made it.
func swap(head []byte) (fs FileSystem, ok bool) {
	const uuidAt, labelAt, labelSize = 1036, 1052, 16
	for page := 4 << 10; page <= 64<<10; page <<= 1 {
		if m := string(head[page-10 : page]); m == "SWAPSPACE2" {
			return FileSystem{Type: "swap", UUID: uuidText(head[uuidAt:]), Label: cString(head[labelAt : labelAt+labelSize])}, true
		} else if m == "SWAP-SPACE" {
			return FileSystem{Type: "swap"}, true
		}
	}
	return fs, false
}

// luks reads the header of LUKS 1 and 2 (LUKS2 On-Disk Format Specification, 2.1).
func luks(head []byte) (fs FileSystem, ok bool) {
	const version, label, labelSize, uuidAt, uuidSize = 6, 24, 48, 168, 40
	if string(head[:6]) != "LUKS\xba\xbe" {
		return fs, false
	}
	fs = FileSystem{Type: "crypto_LUKS", UUID: cString(head[uuidAt : uuidAt+uuidSize])}
	switch be.Uint16(head[version:]) {
	case 1:
	case 2:
		fs.Label = cString(head[label : label+labelSize])
	default:
		return fs, false
	}
	return fs, true
}

// lvm reads struct label_header of LVM2, in one of the first four sectors; the UUID
// of the physical volume is the start of what it points to, 32 letters.
func lvm(head []byte) (fs FileSystem, ok bool) {
	const sector, typeAt, pvHeader, idSize = 512, 24, 20, 32
	for i := range 4 {
		b := head[i*sector : (i+1)*sector]
		at := le.Uint32(b[pvHeader:])
		if string(b[:8]) != "LABELONE" || string(b[typeAt:typeAt+8]) != "LVM2 001" || at > sector-idSize {
			continue
		}
		id, parts := string(b[at:at+idSize]), []string{}
		for _, n := range []int{6, 4, 4, 4, 4, 4, 6} {
			parts, id = append(parts, id[:n]), id[n:]
		}
		return FileSystem{Type: "LVM2_member", UUID: strings.Join(parts, "-")}, true
	}
	return fs, false
}

var raidMagic = []byte{0xfc, 0x4e, 0x2b, 0xa9}

// raidHead reads struct mdp_superblock_1 (include/uapi/linux/raid/md_p.h) of version
// 1.1, at the start, and of 1.2, 4 KiB from it.
func raidHead(head []byte) (FileSystem, bool) {
	if fs, ok := raidOne(head); ok {
		return fs, true
	}
	return raidOne(head[4<<10:])
}

// raidOne reads the superblock of version 1 that b begins with.
func raidOne(b []byte) (fs FileSystem, ok bool) {
	const version, uuidAt, name, nameSize = 4, 16, 32, 32
	if !bytes.HasPrefix(b, raidMagic) || le.Uint32(b[version:]) != 1 {
		return fs, false
	}
	return FileSystem{Type: "linux_raid_member", UUID: uuidText(b[uuidAt:]), Label: cString(b[name : name+nameSize])}, true
}

// raidTail reads the superblocks that lie at the end of a device, after what looks
// like a file system: of version 1.0, at the last multiple of 4 KiB that is at least
// 8 KiB before the end, and mdp_super_t of 0.90, 64 to 128 KiB before it.
func raidTail(r io.ReaderAt, size int64) (fs FileSystem, ok bool, err error) {
	const room = 512 // bytes of each that are looked at
	if at := (size - 8<<10) &^ (4<<10 - 1); at > 0 {
		b, err := readUpTo(r, size, at, room)
		if err != nil {
			return fs, false, err
		}
		if fs, ok := raidOne(b); ok {
			return fs, true, nil
		}
	}
	const reserved = 64 << 10
	if at := size&^(reserved-1) - reserved; at > 0 {
		b, err := readUpTo(r, size, at, room)
		if err != nil {
			return fs, false, err
		}
		const version, uuid0, uuid1 = 4, 20, 52
		if bytes.HasPrefix(b, raidMagic) && le.Uint32(b[version:]) == 0 {
			id := be.AppendUint32(nil, le.Uint32(b[uuid0:])) // it is four numbers
			for i := range 3 {
				id = be.AppendUint32(id, le.Uint32(b[uuid1+4*i:]))
			}
			return FileSystem{Type: "linux_raid_member", UUID: uuidText(id)}, true, nil
		}
	}
	return fs, false, nil
}
