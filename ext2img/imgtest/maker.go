package imgtest

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// Dir makes entries in an open directory; every failure ends the test. It
// works from a descriptor, so trees may be deeper than PATH_MAX.
type Dir struct {
	t  testing.TB
	fd int
}

// OpenDir opens a directory for making entries in it; the caller closes it.
// When the test ends, immutable and append-only flags below it are cleared, so
// that t.TempDir can go.
func OpenDir(t testing.TB, path string) Dir {
	t.Helper()
	fd, err := openDir(unix.AT_FDCWD, path)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	t.Cleanup(func() {
		if fd, err := openDir(unix.AT_FDCWD, path); err == nil {
			freeTree(fd)
			unix.Close(fd)
		}
	})
	return Dir{t, fd}
}

// freeTree makes all below a directory removable by its owner.
func freeTree(dir int) {
	names, _ := readNames(dir)
	for _, name := range names {
		st, err := stat(dir, name)
		if err != nil {
			continue
		}
		kind := st.Mode & unix.S_IFMT
		if st.Attributes&fileFlags != 0 && (kind == unix.S_IFREG || kind == unix.S_IFDIR) {
			if fd, err := openAt(dir, name, unix.O_RDONLY); err == nil {
				_ = changeFlags(fd, 0)
				unix.Close(fd)
			}
		}
		if kind == unix.S_IFDIR {
			if os.Geteuid() != 0 {
				_ = unix.Fchmodat(dir, name, 0o700, 0)
			}
			if fd, err := openDir(dir, name); err == nil {
				freeTree(fd)
				unix.Close(fd)
			}
		}
	}
}

func (d Dir) check(op, name string, err error) {
	if err != nil {
		d.t.Helper()
		d.t.Fatalf("%s %.300q: %v", op, name, err)
	}
}

// Close closes the directory.
func (d Dir) Close() { unix.Close(d.fd) }

// Mkdir makes and opens a directory; the caller closes it.
func (d Dir) Mkdir(name string) Dir {
	d.t.Helper()
	d.check("mkdir", name, unix.Mkdirat(d.fd, name, 0o755))
	fd, err := openDir(d.fd, name)
	d.check("open", name, err)
	return Dir{d.t, fd}
}

// File makes a regular file.
func (d Dir) File(name string, content []byte) {
	d.t.Helper()
	f := d.Create(name)
	defer f.Close()
	_, err := f.Write(content)
	d.check("write", name, err)
}

// Create makes a regular file and gives it open; the caller closes it.
func (d Dir) Create(name string) *os.File {
	d.t.Helper()
	fd, err := unix.Openat(d.fd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	d.check("create", name, err)
	return os.NewFile(uintptr(fd), name)
}

func (d Dir) Symlink(target, name string) {
	d.t.Helper()
	d.check("symlink", name, unix.Symlinkat(target, d.fd, name))
}

func (d Dir) Link(old, name string) {
	d.t.Helper()
	d.check("link", name, unix.Linkat(d.fd, old, d.fd, name, 0))
}

// Mknod makes a fifo, socket or device; mode has type and permission bits.
func (d Dir) Mknod(name string, mode, major, minor uint32) {
	d.t.Helper()
	d.check("mknod", name, unix.Mknodat(d.fd, name, mode, int(unix.Mkdev(major, minor))))
}

// Chown changes the owner, of a symlink itself; it clears setuid bits and
// capabilities, so it comes first.
func (d Dir) Chown(name string, uid, gid int) {
	d.t.Helper()
	d.check("chown", name, unix.Fchownat(d.fd, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW))
}

func (d Dir) Chmod(name string, mode uint32) {
	d.t.Helper()
	d.check("chmod", name, unix.Fchmodat(d.fd, name, mode, 0))
}

func (d Dir) Xattr(name, key string, value []byte) {
	d.t.Helper()
	d.check("setxattr "+key, name, unix.Lsetxattr(fdPath(d.fd, name), key, value, 0))
}

// Times sets access and modification time; it comes after all but Flags.
func (d Dir) Times(name string, atime, mtime unix.Timespec) {
	d.t.Helper()
	ts := []unix.Timespec{atime, mtime}
	d.check("utimensat", name, unix.UtimesNanoAt(d.fd, name, ts, unix.AT_SYMLINK_NOFOLLOW))
}

// The flags that an image keeps, as FS_IOC_SETFLAGS has them (linux/fs.h).
const (
	FlagImmutable = 0x10
	FlagAppend    = 0x20
	FlagNodump    = 0x40
)

// Flags sets the immutable, append-only and nodump flags of a file or directory; it comes last.
func (d Dir) Flags(name string, flags int) {
	d.t.Helper()
	fd, err := openAt(d.fd, name, unix.O_RDONLY)
	d.check("open", name, err)
	defer unix.Close(fd)
	d.check("FS_IOC_SETFLAGS", name, changeFlags(fd, flags))
}

// changeFlags sets the three flags as given and leaves the others alone: the
// file system's own, such as EXT4_EXTENTS_FL, must come back as they were.
func changeFlags(fd, flags int) error {
	old, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return err
	}
	keep := int(old) &^ (FlagImmutable | FlagAppend | FlagNodump)
	return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, keep|flags)
}

// ACLEntry is one entry of a POSIX ACL in the order that the kernel wants:
// user, named users, group, named groups, mask, other.
type ACLEntry struct {
	Tag, Perm uint16
	ID        uint32 // of named users and groups, else ACLUndefined
}

const (
	ACLUserObj   = 0x01
	ACLUser      = 0x02
	ACLGroupObj  = 0x04
	ACLGroup     = 0x08
	ACLMask      = 0x10
	ACLOther     = 0x20
	ACLUndefined = 0xffffffff
)

// ACL encodes a POSIX ACL as getxattr and setxattr have it (version 2), for
// system.posix_acl_access and system.posix_acl_default.
func ACL(entries ...ACLEntry) []byte {
	b := []byte{2, 0, 0, 0}
	for _, e := range entries {
		b = append(b, byte(e.Tag), byte(e.Tag>>8), byte(e.Perm), byte(e.Perm>>8),
			byte(e.ID), byte(e.ID>>8), byte(e.ID>>16), byte(e.ID>>24))
	}
	return b
}

// Capability encodes file capabilities as security.capability has them
// (VFS_CAP_REVISION_2 with the effective flag).
func Capability(permitted uint64) []byte {
	lo, hi := uint32(permitted), uint32(permitted>>32)
	b := make([]byte, 20)
	for i, v := range []uint32{0x02000001, lo, 0, hi, 0} {
		b[4*i], b[4*i+1], b[4*i+2], b[4*i+3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	}
	return b
}

// numbered returns a name for the i-th of many entries.
func numbered(prefix string, i int) string { return fmt.Sprintf("%s%06d", prefix, i) }
