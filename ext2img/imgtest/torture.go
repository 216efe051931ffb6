package imgtest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Piece makes one kind of hard case in an existing empty directory.
type Piece struct {
	Name string
	Make func(t testing.TB, dir string)
}

// Torture gives the pieces that any disk file system can hold and that are
// quick to make.
func Torture() []Piece {
	return []Piece{
		{"types", TortureTypes},
		{"names", TortureNames},
		{"deep", TortureDeep},
		{"symlinks", TortureSymlinks},
		{"owners", TortureOwners},
		{"times", TortureTimes},
		{"sparse", TortureSparse},
		{"holes", TortureHoles},
		{"xattrs", TortureXattrs},
		{"acls", TortureACLs},
		{"modes", TortureModes},
		{"flags", TortureFlags},
		{"devices", TortureDevices},
	}
}

// TortureTypes makes one entry of every type, and a hard link to each.
func TortureTypes(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	defer d.Close()
	d.Mkdir("directory").Close()
	d.File("file", []byte("content\n"))
	d.File("empty", nil)
	d.Symlink("file", "symlink")
	d.Mknod("fifo", unix.S_IFIFO|0o644, 0, 0)
	d.Mknod("socket", unix.S_IFSOCK|0o755, 0, 0)
	d.Mknod("char", unix.S_IFCHR|0o666, 1, 3)
	d.Mknod("block", unix.S_IFBLK|0o660, 8, 1)
	for _, name := range []string{"file", "empty", "symlink", "fifo", "socket", "char", "block"} {
		d.Link(name, name+".link")
	}
}

// TortureNames makes names of every length, of every byte, and a few that
// programs trip over.
func TortureNames(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	defer d.Close()
	for n := 1; n <= 255; n++ {
		d.File(strings.Repeat("n", n), []byte{byte(n)})
	}
	for b := 1; b < 256; b++ {
		if b != '/' && b != '.' && b != 'n' {
			d.File(string([]byte{byte(b)}), []byte{byte(b)})
		}
	}
	for _, name := range []string{"...", "\xff\xfe", "a\nb", " ", "  ", "-rf", "*", "lost+found2", "\u00e9", "e\u0301", "\\", strings.Repeat("\xfe", 255)} {
		if len(name) > 1 {
			d.File(name, []byte(name))
		}
	}
}

// TortureDeep makes a path of some 7,700 bytes, with a file at its end.
func TortureDeep(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	for i := range 30 {
		next := d.Mkdir(numbered(strings.Repeat("d", 249), i))
		d.Close()
		d = next
	}
	d.File("deep", []byte("deep\n"))
	d.Close()
}

// TortureSymlinks makes symlinks around the border of fast symlinks and of a
// block.
func TortureSymlinks(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	defer d.Close()
	for _, n := range []int{1, 2, 58, 59, 60, 61, 1023, 1024, 4094, 4095} {
		d.Symlink(strings.Repeat("t", n), fmt.Sprintf("symlink%d", n))
	}
	d.Symlink("\xff\n\x01", "bytes")
}

// TortureOwners makes owners around the 16-bit border.
func TortureOwners(t testing.TB, dir string) {
	RequireRoot(t)
	d := OpenDir(t, dir)
	defer d.Close()
	for _, id := range []int{0, 1, 65534, 65535, 65536, 1<<31 - 1, 1 << 31, 1<<32 - 2} {
		d.File(fmt.Sprintf("uid%d", id), nil)
		d.Chown(fmt.Sprintf("uid%d", id), id, 0)
		d.Symlink("x", fmt.Sprintf("gid%d", id))
		d.Chown(fmt.Sprintf("gid%d", id), 0, id)
	}
}

// TortureTimes makes times at every border of ext4's 34-bit seconds, with
// nanoseconds, on files, directories and symlinks.
func TortureTimes(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	defer d.Close()
	for i, sec := range []int64{
		-1 << 31, -1<<31 + 1, // 1901-12-13
		-1, 0, 1, // 1969, 1970
		1<<31 - 1, 1 << 31, // 2038
		2177452800,                             // 2039
		1<<32 - 1, 1 << 32, 3<<31 - 1, 3 << 31, // 2106, 2174
		1<<33 - 1, 1 << 33, 5<<31 - 1, 5 << 31,
		7<<31 - 2, 7<<31 - 1, // 2446-05-10
	} {
		at := unix.Timespec{Sec: sec, Nsec: int64(i) * 999999999 / 17}
		for kind, name := range []string{"file", "directory", "symlink"} {
			name = fmt.Sprintf("%s%d", name, sec)
			switch kind {
			case 0:
				d.File(name, nil)
			case 1:
				d.Mkdir(name).Close()
			case 2:
				d.Symlink("x", name)
			}
			d.Times(name, at, at)
		}
	}
}

// TortureSparse makes files of up to 5 TiB with data at both ends, one that
// is all hole, and one whose only data is its last byte.
func TortureSparse(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	defer d.Close()
	const tib = 1 << 40
	for _, f := range []struct {
		name string
		size int64
		data []int64 // offsets of pieces of data
	}{
		{"both-ends", 5 * tib, []int64{0, 5*tib - 4}},
		{"all-hole", 5 * tib, nil},
		{"last-byte", 3 << 30, []int64{3<<30 - 1}},
		{"middle", 4 * tib, []int64{1 << 30, 2*tib + 12345}},
		{"hole-in-block", 8192, []int64{5000}},
	} {
		file := d.Create(f.name)
		d.check("truncate", f.name, file.Truncate(f.size))
		for _, off := range f.data {
			_, err := file.WriteAt([]byte("data")[:min(4, f.size-off)], off)
			d.check("write", f.name, err)
		}
		d.check("close", f.name, file.Close())
	}
}

// TortureHoles makes a file of 2,000 blocks of data with a hole before each.
func TortureHoles(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	defer d.Close()
	f := d.Create("alternating")
	defer f.Close()
	for i := range 2000 {
		block := bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 2048)
		_, err := f.WriteAt(block, int64(2*i+1)*4096)
		d.check("write", "alternating", err)
	}
}

// TortureXattrs makes xattrs that fill the inode, that need a block, that
// fill the block, equal sets that can be shared, and empty values.
func TortureXattrs(t testing.TB, dir string) {
	RequireRoot(t)
	d := OpenDir(t, dir)
	defer d.Close()
	for _, n := range []int{0, 1, 2, 3, 4, 5, 40, 60, 64, 68, 72, 76, 80, 84, 88, 92, 96, 100, 104, 200, 1000, 3900} {
		name := fmt.Sprintf("value%d", n)
		d.File(name, nil)
		d.Xattr(name, "user.v", bytes.Repeat([]byte{'v'}, n))
	}
	d.File("many", nil)
	for i := range 60 {
		d.Xattr("many", fmt.Sprintf("user.number%d", i), fmt.Appendf(nil, "value %d", i))
	}
	d.File("spaces", nil)
	d.Xattr("spaces", "user.a", []byte("1"))
	d.Xattr("spaces", "trusted.a", []byte("2"))
	d.Xattr("spaces", "security.a", []byte{0, 1, 2, 0})
	d.Xattr("spaces", "user."+strings.Repeat("k", 250), []byte("long name"))
	for i := range 5 {
		name := fmt.Sprintf("shared%d", i)
		d.File(name, nil)
		d.Xattr(name, "user.shared", bytes.Repeat([]byte("same"), 100))
	}
	d.Mkdir("directory").Close()
	d.Xattr("directory", "user.d", []byte("on a directory"))
	d.Symlink("x", "symlink")
	d.Xattr("symlink", "trusted.s", []byte("on a symlink"))
	d.Symlink(strings.Repeat("x", 100), "slow-symlink")
	d.Xattr("slow-symlink", "trusted.s", bytes.Repeat([]byte("large"), 100))
	d.Mknod("fifo", unix.S_IFIFO|0o600, 0, 0)
	d.Xattr("fifo", "security.f", []byte("on a fifo"))
	d.Mknod("device", unix.S_IFCHR|0o600, 400, 70000)
	d.Xattr("device", "trusted.d", bytes.Repeat([]byte("on a device"), 30))
}

// TortureBigXattrs makes xattrs that no single 4 KiB block holds; dir must be
// on a file system that takes them, such as a tmpfs.
func TortureBigXattrs(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	defer d.Close()
	d.File("too-big", nil)
	d.Xattr("too-big", "user.small", []byte("small"))
	d.Xattr("too-big", "user.big", bytes.Repeat([]byte("b"), 5000))
	d.File("too-many", nil)
	for i := range 8 {
		d.Xattr("too-many", fmt.Sprintf("user.k%d", i), bytes.Repeat([]byte("m"), 1000))
	}
}

// TortureACLs makes access and default ACLs, short ones and long ones, and
// file capabilities.
func TortureACLs(t testing.TB, dir string) {
	RequireRoot(t)
	d := OpenDir(t, dir)
	defer d.Close()
	for _, n := range []int{0, 1, 2, 50} {
		list := []ACLEntry{{ACLUserObj, 7, ACLUndefined}}
		for i := range n {
			list = append(list, ACLEntry{ACLUser, uint16(i % 8), uint32(1000 * (i + 1) * (i + 1))})
		}
		list = append(list, ACLEntry{ACLGroupObj, 5, ACLUndefined})
		for i := range n {
			list = append(list, ACLEntry{ACLGroup, uint16(i % 8), uint32(i * 65536)})
		}
		acl := ACL(append(list, ACLEntry{ACLMask, 7, ACLUndefined}, ACLEntry{ACLOther, 1, ACLUndefined})...)
		file, sub := fmt.Sprintf("file%d", n), fmt.Sprintf("directory%d", n)
		d.File(file, nil)
		d.Xattr(file, "system.posix_acl_access", acl)
		d.Mkdir(sub).Close()
		d.Xattr(sub, "system.posix_acl_access", acl)
		d.Xattr(sub, "system.posix_acl_default", acl)
	}
	d.File("ping", []byte("#!/bin/sh\n"))
	d.Xattr("ping", "security.capability", Capability(1<<13)) // CAP_NET_RAW
	d.Mknod("fifo", unix.S_IFIFO|0o600, 0, 0)
	d.Xattr("fifo", "system.posix_acl_access", ACL(ACLEntry{ACLUserObj, 6, ACLUndefined}, ACLEntry{ACLUser, 4, 7},
		ACLEntry{ACLGroupObj, 0, ACLUndefined}, ACLEntry{ACLMask, 6, ACLUndefined}, ACLEntry{ACLOther, 0, ACLUndefined}))
}

// TortureModes makes every permission bit on files and directories.
func TortureModes(t testing.TB, dir string) {
	d := OpenDir(t, dir)
	defer d.Close()
	for bit := -1; bit < 12; bit++ {
		mode := uint32(0)
		if bit >= 0 {
			mode = 1 << bit
		}
		d.File(fmt.Sprintf("file%04o", mode), nil)
		d.Chmod(fmt.Sprintf("file%04o", mode), mode)
		d.Mkdir(fmt.Sprintf("directory%04o", mode)).Close()
		d.Chmod(fmt.Sprintf("directory%04o", mode), mode)
	}
	d.File("file7777", nil)
	d.Chmod("file7777", 0o7777)
}

// TortureFlags makes immutable, append-only and nodump files and directories;
// they lose the first two when the test ends.
func TortureFlags(t testing.TB, dir string) {
	RequireRoot(t)
	d := OpenDir(t, dir)
	defer d.Close()
	for i, flag := range []int{FlagImmutable, FlagAppend, FlagNodump, FlagImmutable | FlagAppend | FlagNodump} {
		d.File(fmt.Sprintf("file%d", i), []byte("kept"))
		d.Flags(fmt.Sprintf("file%d", i), flag)
		sub := d.Mkdir(fmt.Sprintf("directory%d", i))
		sub.File("in it", nil)
		sub.Close()
		d.Flags(fmt.Sprintf("directory%d", i), flag)
	}
}

// TortureDevices makes device numbers around the borders of the old 8:8 and
// the new 12:20 bit encoding.
func TortureDevices(t testing.TB, dir string) {
	RequireRoot(t)
	d := OpenDir(t, dir)
	defer d.Close()
	for _, major := range []uint32{0, 1, 255, 256, 4095} {
		for _, minor := range []uint32{0, 1, 255, 256, 65535, 65536, 1<<20 - 1} {
			if major == 0 && minor == 0 {
				continue // a whiteout of overlayfs, which some file systems refuse
			}
			d.Mknod(fmt.Sprintf("char%d-%d", major, minor), unix.S_IFCHR|0o600, major, minor)
			d.Mknod(fmt.Sprintf("block%d-%d", major, minor), unix.S_IFBLK|0o600, major, minor)
		}
	}
}

// TortureLinks makes n names of one file; past 65,000 dir must be on a file
// system that counts further, such as a tmpfs.
func TortureLinks(t testing.TB, dir string, n int) {
	d := OpenDir(t, dir)
	defer d.Close()
	d.File("first", []byte("one file\n"))
	for i := 1; i < n; i++ {
		d.Link("first", numbered("link", i))
	}
}

// TortureSubdirs makes n empty directories.
func TortureSubdirs(t testing.TB, dir string, n int) {
	d := OpenDir(t, dir)
	defer d.Close()
	for i := range n {
		d.check("mkdir", dir, unix.Mkdirat(d.fd, numbered("directory", i), 0o755))
	}
}

// TortureManyNames makes n names of empty files in one directory, of lengths
// from 7 to 66 bytes.
func TortureManyNames(t testing.TB, dir string, n int) {
	d := OpenDir(t, dir)
	defer d.Close()
	for i := range n {
		d.check("mknod", dir, unix.Mknodat(d.fd, numbered(strings.Repeat("x", 1+i%60), i), unix.S_IFREG|0o644, 0))
	}
}
