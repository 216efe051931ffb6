package imgtest

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// RandomOptions sets the measure of a random tree; the zero value is a tree
// of some 200 entries with a few MiB of data.
type RandomOptions struct {
	Entries  int   // about; 0: 200
	MaxFile  int64 // bytes of data of one file; 0: 256 KiB
	MaxDepth int   // of directories; 0: 8
	Plain    Plain // what is left out
	// BlockSize is what xattrs and symlink targets of one entry must fit in,
	// in bytes. 0: 4096.
	BlockSize int
}

// Plain is what a random tree leaves out.
type Plain uint

const (
	NoFlags  Plain = 1 << iota // no immutable, append-only or nodump entries
	NoXattrs                   // no xattrs, ACLs or capabilities
	NoOld                      // no times before 1970 or after 2038
)

// RandomTree fills an existing directory with a random tree: every type, odd
// names, hard links, sparse and preallocated files, owners, modes, times,
// and if root makes it devices, xattrs of all spaces, ACLs and flags. The
// same seed makes the same tree, apart from change and birth times.
func RandomTree(t testing.TB, seed uint64, dir string, opt RandomOptions) {
	t.Helper()
	if opt.Entries == 0 {
		opt.Entries = 200
	}
	if opt.MaxFile == 0 {
		opt.MaxFile = 256 << 10
	}
	if opt.MaxDepth == 0 {
		opt.MaxDepth = 8
	}
	if opt.BlockSize == 0 {
		opt.BlockSize = 4096
	}
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	src := rand.NewChaCha8(key)
	g := &randomTree{opt: opt, Rand: rand.New(src), src: src, root: os.Geteuid() == 0, left: opt.Entries}
	d := OpenDir(t, dir)
	defer d.Close()
	g.fill(d, 0)
	g.dress(d, ".", unix.S_IFDIR)
	for _, f := range g.flags {
		f()
	}
}

type randomTree struct {
	*rand.Rand
	opt   RandomOptions
	src   *rand.ChaCha8
	root  bool
	left  int      // entries to make
	flags []func() // flags are set last: immutable entries cannot be linked or filled
}

// chance returns true once in n times.
func (g *randomTree) chance(n int) bool { return g.IntN(n) == 0 }

// fill makes entries in d until the budget or its share of it is used.
func (g *randomTree) fill(d Dir, depth int) {
	share := g.left
	if depth > 0 {
		share = min(g.left, 1+g.IntN(1+g.opt.Entries/4))
	}
	used := map[string]bool{".": true, "..": true, "lost+found": true}
	var linkable []string
	for ; share > 0 && g.left > 0; share-- {
		name := g.name()
		if used[name] {
			continue
		}
		used[name] = true
		g.left--
		kind := g.IntN(100)
		switch {
		case kind < 12 && len(linkable) > 0:
			d.Link(linkable[g.IntN(len(linkable))], name)
			continue
		case kind < 25 && depth < g.opt.MaxDepth:
			before := g.left
			sub := d.Mkdir(name)
			g.fill(sub, depth+1)
			sub.Close()
			share -= before - g.left
			g.dress(d, name, unix.S_IFDIR)
			continue
		case kind < 70:
			g.file(d, name)
			g.dress(d, name, unix.S_IFREG)
		case kind < 85:
			d.Symlink(g.target(), name)
			g.dress(d, name, unix.S_IFLNK)
		case kind < 90:
			d.Mknod(name, unix.S_IFIFO|0o600, 0, 0)
			g.dress(d, name, unix.S_IFIFO)
		case kind < 93:
			d.Mknod(name, unix.S_IFSOCK|0o600, 0, 0)
			g.dress(d, name, unix.S_IFSOCK)
		case g.root:
			mode := []uint32{unix.S_IFCHR, unix.S_IFBLK}[g.IntN(2)]
			major, minor := uint32(g.IntN(1<<8)), uint32(g.IntN(1<<8))
			if g.chance(2) {
				major, minor = uint32(g.IntN(1<<12)), uint32(g.IntN(1<<20))
			}
			d.Mknod(name, mode|0o600, major, minor)
			g.dress(d, name, mode)
		default:
			d.File(name, nil)
		}
		linkable = append(linkable, name)
	}
}

// name gives odd names as often as plain ones.
func (g *randomTree) name() string {
	base := fmt.Sprintf("%c%d", 'a'+g.IntN(26), g.IntN(10000))
	switch g.IntN(12) {
	case 0:
		return base + strings.Repeat("x", 255-len(base))
	case 1:
		b := make([]byte, 1+g.IntN(255))
		for i := range b {
			for b[i] == 0 || b[i] == '/' {
				b[i] = byte(g.Uint32())
			}
		}
		return string(b)
	case 2:
		return "-" + base
	case 3:
		return base + " \t\n*?[" + base
	case 4:
		return "." + base
	case 5:
		return "…日本" + base
	}
	return base
}

func (g *randomTree) target() string {
	n := []int{1, 2, 58, 59, 60, 61, 255, g.opt.BlockSize - 2, g.opt.BlockSize - 1}[g.IntN(9)]
	if g.chance(2) {
		n = 1 + g.IntN(100)
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + g.IntN(255))
	}
	return string(b)
}

// file makes a file: empty, small, large, sparse, or preallocated.
func (g *randomTree) file(d Dir, name string) {
	f := d.Create(name)
	defer f.Close()
	var err error
	write := func(off, n int64) {
		buf := make([]byte, n)
		if !g.chance(8) { // else zeros that are data
			_, _ = g.src.Read(buf) // never fails
		}
		if err == nil {
			_, err = f.WriteAt(buf, off)
		}
	}
	sizes := []int64{0, 1, 4095, 4096, 4097, 8192}
	size := g.Int64N(g.opt.MaxFile + 1)
	if g.chance(2) {
		size = min(sizes[g.IntN(len(sizes))], g.opt.MaxFile)
	}
	switch g.IntN(6) {
	case 0: // holes of up to 1 GiB
		size = g.Int64N(1 << 30)
		for n := range g.IntN(20) {
			at := g.Int64N(size + 1)
			write(at, 1+g.Int64N(min(g.opt.MaxFile/8+1, 16<<10)))
			if n == 0 && g.chance(2) {
				size = at + 1
			}
		}
		if err == nil {
			err = f.Truncate(size)
		}
	case 1: // room that was never written to, within and past the size
		write(0, size)
		if e := unix.Fallocate(int(f.Fd()), uint32(g.IntN(2)), 0, size+g.Int64N(64<<10)+1); err == nil && e != unix.EOPNOTSUPP {
			err = e
		}
	default:
		write(0, size)
	}
	d.check("write", name, err)
}

// dress gives an entry owner, mode, xattrs, times and flags, in the order in
// which one does not undo the other.
func (g *randomTree) dress(d Dir, name string, kind uint32) {
	if g.root && g.chance(2) {
		ids := []int{0, 1, 1000, 65534, 65535, 65536, 1<<31 - 1, 1<<32 - 2}
		d.Chown(name, ids[g.IntN(len(ids))], ids[g.IntN(len(ids))])
	}
	if kind != unix.S_IFLNK && g.chance(2) {
		d.Chmod(name, uint32(g.IntN(0o10000)))
	}
	if g.opt.Plain&NoXattrs == 0 {
		g.xattrs(d, name, kind)
	}
	d.Times(name, g.time(), g.time())
	if g.root && g.opt.Plain&NoFlags == 0 && (kind == unix.S_IFREG || kind == unix.S_IFDIR && name != ".") && g.chance(10) {
		flag := []int{FlagImmutable, FlagAppend, FlagNodump}[g.IntN(3)]
		path := fmt.Sprintf("/proc/self/fd/%d", d.fd)
		if full, err := os.Readlink(path); err == nil && len(full) < 3000 {
			g.flags = append(g.flags, func() {
				parent, err := openDir(unix.AT_FDCWD, full)
				d.check("open", full, err)
				defer unix.Close(parent)
				Dir{d.t, parent}.Flags(name, flag)
			})
		}
	}
}

func (g *randomTree) xattrs(d Dir, name string, kind uint32) {
	user := kind == unix.S_IFREG || kind == unix.S_IFDIR
	left := g.opt.BlockSize - 600 // bytes, so that it fits in one block, with ACLs and capabilities
	for range g.IntN(4) * g.IntN(2) {
		space := ""
		switch {
		case user && g.chance(2):
			space = "user."
		case g.root && g.chance(2):
			space = "trusted."
		case g.root:
			space = "security.x"
		default:
			continue
		}
		key := fmt.Sprintf("%sk%d", space, g.IntN(100))
		size := g.IntN(60)
		if g.chance(4) {
			size = g.IntN(2500)
		}
		if len(key)+size+24 > left {
			continue
		}
		left -= len(key) + size + 24
		value := make([]byte, size)
		_, _ = g.src.Read(value) // never fails
		d.Xattr(name, key, value)
	}
	if g.root && kind == unix.S_IFREG && g.chance(10) {
		d.Xattr(name, "security.capability", Capability(1<<g.IntN(40)))
	}
	if user && g.chance(8) {
		d.Xattr(name, "system.posix_acl_access", randomACL(g.Rand))
	}
	if kind == unix.S_IFDIR && g.chance(6) {
		d.Xattr(name, "system.posix_acl_default", randomACL(g.Rand))
	}
}

// randomACL returns an ACL as setxattr(2) takes it.
func randomACL(r *rand.Rand) []byte {
	perm := func() uint16 { return uint16(r.IntN(8)) }
	list := []ACLEntry{{ACLUserObj, perm(), ACLUndefined}}
	for i := range r.IntN(4) {
		list = append(list, ACLEntry{ACLUser, perm(), uint32(1000 + i*70000)})
	}
	list = append(list, ACLEntry{ACLGroupObj, perm(), ACLUndefined})
	for i := range r.IntN(3) {
		list = append(list, ACLEntry{ACLGroup, perm(), uint32(50 + i*70000)})
	}
	return ACL(append(list, ACLEntry{ACLMask, perm(), ACLUndefined}, ACLEntry{ACLOther, perm(), ACLUndefined})...)
}

// time gives times of this century mostly, else any that ext4 can hold.
func (g *randomTree) time() unix.Timespec {
	ts := unix.Timespec{Sec: g.Int64N(1 << 31), Nsec: g.Int64N(1e9)}
	if g.opt.Plain&NoOld == 0 && g.chance(4) {
		ts.Sec = -1<<31 + g.Int64N(1<<34)
	}
	return ts
}
