package imgtest

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// Scope says how much of an entry is compared.
type Scope int

const (
	Full   Scope = iota // the entry and all below it
	Self                // a directory's own metadata, not its names
	Ignore              // nothing; it may even be absent on one side
)

// CompareOptions is what Compare looks at; the zero value is everything that
// an image must keep. The lost+found of the root is never compared: the want
// side may lack it, and on the got side it must be an empty directory.
type CompareOptions struct {
	// Scope chooses by path ("/" is the root, "/etc/passwd"). Nil: all Full.
	Scope func(path string) Scope
	// Stat sees each pair and gives a difference to report, or "". This is
	// the place for atime, ctime and btime, which are not compared otherwise.
	Stat func(path string, want, got *unix.Statx_t) string
	// Xattr says whether an xattr of the want side is expected. Nil: all are.
	Xattr func(path, name string) bool
	// NoMtime leaves the modification times out.
	NoMtime bool
}

// maxLinks is what ext4 can count in one inode (EXT4_LINK_MAX); more names of
// one file than that are several inodes.
const maxLinks = 65000

// fileFlags are the FS_IOC_GETFLAGS bits that an image keeps: immutable,
// append-only, nodump.
const fileFlags = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND | unix.STATX_ATTR_NODUMP

// Compare fails the test with every difference between two trees, at most a
// hundred of them in words.
func Compare(t testing.TB, wantDir, gotDir string, opt CompareOptions) {
	t.Helper()
	diffs, err := Diff(wantDir, gotDir, opt)
	if err != nil {
		t.Errorf("compare %s with %s: %v", gotDir, wantDir, err)
	}
	for i, d := range diffs {
		if i == 100 {
			t.Errorf("... %d differences in all", len(diffs))
			return
		}
		t.Error(d)
	}
}

// Diff gives every difference between two trees, in path order, those of link
// topology last: names, type,
// mode, owner, size, content, holes kept, mtime, link topology and counts,
// xattrs, flags and device numbers. It works from directory descriptors, so a
// path may be longer than PATH_MAX and a name may be any bytes; it leaves
// access times alone.
func Diff(wantDir, gotDir string, opt CompareOptions) ([]string, error) {
	want, err := openDir(unix.AT_FDCWD, wantDir)
	if err != nil {
		return nil, err
	}
	defer unix.Close(want)
	got, err := openDir(unix.AT_FDCWD, gotDir)
	if err != nil {
		return nil, err
	}
	defer unix.Close(got)
	if opt.Scope == nil {
		opt.Scope = func(string) Scope { return Full }
	}
	if opt.Xattr == nil {
		opt.Xattr = func(string, string) bool { return true }
	}
	c := &comparer{opt: opt, wantLinks: links{}, gotLinks: links{}, bufA: make([]byte, 128<<10), bufB: make([]byte, 128<<10)}
	c.pair("/", want, got, ".")
	n := len(c.diffs)
	c.topology()
	slices.Sort(c.diffs[n:])
	return c.diffs, nil
}

type comparer struct {
	opt       CompareOptions
	diffs     []string
	wantLinks links
	gotLinks  links
	bufA      []byte // for content and xattrs
	bufB      []byte
}

func (c *comparer) addf(path, format string, args ...any) {
	short := fmt.Sprintf("%q", path)
	if len(path) > 160 {
		short = fmt.Sprintf("%q...%q", path[:60], path[len(path)-80:])
	}
	c.diffs = append(c.diffs, short+": "+fmt.Sprintf(format, args...))
}

// pair compares one name of two directories, and all below it.
func (c *comparer) pair(path string, wantDir, gotDir int, name string) {
	scope := c.opt.Scope(path)
	if scope == Ignore {
		return
	}
	want, err := stat(wantDir, name)
	if err != nil {
		c.addf(path, "stat of the wanted entry: %v", err)
		return
	}
	got, err := stat(gotDir, name)
	if err != nil {
		c.addf(path, "stat: %v", err)
		return
	}
	if want.Mode&unix.S_IFMT != got.Mode&unix.S_IFMT {
		c.addf(path, "type %s, want %s", typeName(got.Mode), typeName(want.Mode))
		return
	}
	c.stat(path, want, got)
	c.xattrs(path, wantDir, gotDir, name)
	switch want.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		c.content(path, wantDir, gotDir, name, want, got)
	case unix.S_IFLNK:
		c.target(path, wantDir, gotDir, name)
	case unix.S_IFDIR:
		if scope == Full {
			c.dirs(path, wantDir, gotDir, name, got)
		}
	}
	if want.Mode&unix.S_IFMT != unix.S_IFDIR {
		c.wantLinks.add(want, path)
		c.gotLinks.add(got, path)
	}
}

// dirs compares the names of two directories and each pair of entries.
func (c *comparer) dirs(path string, wantDir, gotDir int, name string, gotStat *unix.Statx_t) {
	want, err := openDir(wantDir, name)
	if err != nil {
		c.addf(path, "open the wanted directory: %v", err)
		return
	}
	defer unix.Close(want)
	got, err := openDir(gotDir, name)
	if err != nil {
		c.addf(path, "open: %v", err)
		return
	}
	defer unix.Close(got)
	wantNames, err := readNames(want)
	if err != nil {
		c.addf(path, "read the wanted directory: %v", err)
		return
	}
	gotNames, err := readNames(got)
	if err != nil {
		c.addf(path, "read the directory: %v", err)
		return
	}
	c.nlink(path, got, gotNames, gotStat)
	i, j := 0, 0
	for i < len(wantNames) || j < len(gotNames) {
		switch {
		case j == len(gotNames) || i < len(wantNames) && wantNames[i] < gotNames[j]:
			if p := join(path, wantNames[i]); p != "/lost+found" && c.opt.Scope(p) != Ignore {
				c.addf(p, "missing")
			}
			i++
		case i == len(wantNames) || gotNames[j] < wantNames[i]:
			c.extra(join(path, gotNames[j]), got, gotNames[j])
			j++
		default:
			if p := join(path, wantNames[i]); p == "/lost+found" {
				c.extra(p, got, gotNames[j])
			} else {
				c.pair(p, want, got, wantNames[i])
			}
			i, j = i+1, j+1
		}
	}
}

// extra reports a name that only the got side has, unless it is an empty
// lost+found of the root.
func (c *comparer) extra(path string, dir int, name string) {
	if c.opt.Scope(path) == Ignore {
		return
	}
	if path != "/lost+found" {
		c.addf(path, "not wanted, but there")
		return
	}
	fd, err := openDir(dir, name)
	if err != nil {
		c.addf(path, "open: %v", err)
		return
	}
	defer unix.Close(fd)
	if names, err := readNames(fd); err != nil || len(names) != 0 {
		c.addf(path, "not empty: %q %v", names, err)
	}
}

// nlink checks a directory's link count: two and one a subdirectory, or 1
// if that is more than ext4 counts.
func (c *comparer) nlink(path string, dir int, names []string, st *unix.Statx_t) {
	n := 2
	for _, name := range names {
		var s unix.Stat_t
		if unix.Fstatat(dir, name, &s, unix.AT_SYMLINK_NOFOLLOW) == nil && s.Mode&unix.S_IFMT == unix.S_IFDIR {
			n++
		}
	}
	if st.Nlink != uint32(n) && (st.Nlink != 1 || n < maxLinks) {
		c.addf(path, "link count %d with %d subdirectories", st.Nlink, n-2)
	}
}

func join(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}

// openDir opens a directory without touching its access time.
func openDir(dir int, name string) (int, error) {
	return openAt(dir, name, unix.O_RDONLY|unix.O_DIRECTORY)
}

func openAt(dir int, name string, flags int) (int, error) {
	flags |= unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK
	fd, err := unix.Openat(dir, name, flags|unix.O_NOATIME, 0)
	if errors.Is(err, unix.EPERM) {
		fd, err = unix.Openat(dir, name, flags, 0)
	}
	if err != nil {
		return -1, fmt.Errorf("open %.300q: %w", name, err)
	}
	return fd, nil
}

// readNames gives the names of an open directory in byte order, without "."
// and "..".
func readNames(dir int) ([]string, error) {
	fd, err := unix.FcntlInt(uintptr(dir), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "directory")
	defer f.Close()
	names, err := f.Readdirnames(-1)
	slices.Sort(names)
	return names, err
}

func stat(dir int, name string) (*unix.Statx_t, error) {
	st := new(unix.Statx_t)
	err := unix.Statx(dir, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_BASIC_STATS|unix.STATX_BTIME, st)
	return st, err
}
