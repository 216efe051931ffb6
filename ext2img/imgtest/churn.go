package imgtest

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Seeds returns the seeds that a test of random trees takes: from 0 to n-1, or to 1 with
// -short; or those of $SEEDS, which is a number like n, or FROM-TO, without TO itself.
func Seeds(n uint64) (list []uint64) {
	if testing.Short() {
		n = min(n, 2)
	}
	from, to := uint64(0), n
	if got, _ := fmt.Sscanf(os.Getenv("SEEDS"), "%d-%d", &from, &to); got == 1 {
		from, to = 0, from
	}
	for seed := from; seed < to; seed++ {
		list = append(list, seed)
	}
	return list
}

// Churn makes n random changes in the tree at dir: of all kinds that tell whether a
// program knows what changed, such as files that are rewritten in place with their times
// set back, written to through mmap(2), or exchanged with a directory above them. It
// returns how many of each kind were made. What a change finds impossible, because of a
// flag or for lack of a file of that kind, is none.
func Churn(t testing.TB, seed uint64, dir string, n int) map[string]int {
	t.Helper()
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	src := rand.NewChaCha8(key)
	c := &churn{t: t, Rand: rand.New(src), src: src, dir: dir, seed: seed}
	made := make(map[string]int)
	for range n {
		c.look()
		kind := churns[c.IntN(len(churns))]
		if kind.make(c) {
			made[kind.name]++
		}
	}
	return made
}

type churn struct {
	t testing.TB
	*rand.Rand
	src         *rand.ChaCha8
	dir         string
	seed        uint64
	made        int
	files, dirs []string
}

var churns = []struct {
	name string
	make func(*churn) bool
}{
	{"create", (*churn).create}, {"append", (*churn).append}, {"rewrite", (*churn).rewrite},
	{"rename", (*churn).rename}, {"replace", (*churn).replace}, {"link", (*churn).link}, {"unlink", (*churn).unlink},
	{"chmod", (*churn).chmod}, {"xattr", (*churn).xattr}, {"acl", (*churn).acl}, {"truncate", (*churn).truncate}, {"punch", (*churn).punch},
	{"mmap", (*churn).mmap}, {"move", (*churn).move}, {"exchange", (*churn).exchange}, {"twins", (*churn).twins},
	{"symlink", (*churn).symlink}, {"mkdir", (*churn).mkdir}, {"remove", (*churn).remove},
}

// Churns returns the kinds of changes that Churn makes.
func Churns() (kinds []string) {
	for _, c := range churns {
		kinds = append(kinds, c.name)
	}
	return kinds
}

// look lists regular files and directories, the top left out.
func (c *churn) look() {
	c.files, c.dirs = nil, []string{c.dir}
	err := filepath.WalkDir(c.dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Type().IsRegular():
			c.files = append(c.files, name)
		case d.IsDir() && name != c.dir:
			c.dirs = append(c.dirs, name)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *churn) file() string {
	if len(c.files) == 0 {
		return ""
	}
	return c.files[c.IntN(len(c.files))]
}

// fresh returns a path that nothing has.
func (c *churn) fresh() string {
	c.made++
	return filepath.Join(c.dirs[c.IntN(len(c.dirs))], "new"+strconv.FormatUint(c.seed, 10)+"-"+strconv.Itoa(c.made))
}

func (c *churn) bytes(most int) []byte {
	b := make([]byte, c.IntN(most))
	_, _ = c.src.Read(b) // never fails
	return b
}

func (c *churn) create() bool {
	most := 30_000
	if c.IntN(8) == 0 {
		most = 3 << 20
	}
	return os.WriteFile(c.fresh(), c.bytes(most), 0o644) == nil
}

// open opens a file for writing.
func (c *churn) open(flags int) *os.File {
	f, err := os.OpenFile(c.file(), os.O_RDWR|flags, 0)
	if err != nil {
		return nil
	}
	return f
}

func (c *churn) append() bool {
	f := c.open(os.O_APPEND)
	if f == nil {
		return false
	}
	defer f.Close()
	_, err := f.Write(c.bytes(20_000))
	return err == nil
}

// rewrite writes other bytes to a file and sets its times back.
func (c *churn) rewrite() bool {
	f := c.open(0)
	if f == nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return false
	}
	b := c.bytes(10_000)
	b = b[:min(int64(len(b)), st.Size())]
	if _, err := f.WriteAt(b, c.Int64N(st.Size()-int64(len(b))+1)); err != nil || len(b) == 0 {
		return false
	}
	return os.Chtimes(f.Name(), st.ModTime(), st.ModTime()) == nil
}

// mmap writes a byte through a shared mapping, and sets the times back.
func (c *churn) mmap() bool {
	f := c.open(0)
	if f == nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() == 0 || st.Size() > 64<<20 {
		return false
	}
	m, err := unix.Mmap(int(f.Fd()), 0, int(st.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return false
	}
	m[c.IntN(len(m))] ^= 0x5A
	if err := unix.Munmap(m); err != nil {
		c.t.Fatal(err)
	}
	return os.Chtimes(f.Name(), st.ModTime(), st.ModTime()) == nil
}

func (c *churn) rename() bool { return c.file() != "" && os.Rename(c.file(), c.fresh()) == nil }

// replace gives a file's name to another one, maybe with the same size and times.
func (c *churn) replace() bool {
	name := c.file()
	st, err := os.Lstat(name)
	if err != nil || st.Size() > 8<<20 {
		return false
	}
	size, other := st.Size(), c.fresh()
	if c.IntN(2) == 0 {
		size = c.Int64N(30_000)
	}
	b := make([]byte, size)
	_, _ = c.src.Read(b) // never fails
	if os.WriteFile(other, b, 0o600) != nil || os.Chtimes(other, st.ModTime(), st.ModTime()) != nil {
		return false
	}
	return os.Rename(other, name) == nil
}

func (c *churn) link() bool   { return c.file() != "" && os.Link(c.file(), c.fresh()) == nil }
func (c *churn) unlink() bool { return c.file() != "" && os.Remove(c.file()) == nil }

func (c *churn) chmod() bool {
	return c.file() != "" && unix.Chmod(c.file(), uint32(c.IntN(0o10000))) == nil
}

// acl gives a file or directory an ACL, and a directory one for what comes into it.
func (c *churn) acl() bool {
	name, attribute := c.file(), "system.posix_acl_access"
	switch {
	case c.IntN(2) == 0 && len(c.dirs) > 1:
		name = c.dirs[1+c.IntN(len(c.dirs)-1)]
		if c.IntN(2) == 0 {
			attribute = "system.posix_acl_default"
		}
	case name == "":
		return false
	}
	return unix.Setxattr(name, attribute, randomACL(c.Rand), 0) == nil
}

func (c *churn) xattr() bool {
	name := c.file()
	if name == "" {
		return false
	}
	value := []byte(strconv.Itoa(c.IntN(1000)))
	if c.IntN(3) == 0 {
		value = c.bytes(3000)
	}
	return unix.Setxattr(name, "user.churn", value, 0) == nil
}

func (c *churn) truncate() bool {
	name := c.file()
	st, err := os.Lstat(name)
	return err == nil && os.Truncate(name, c.Int64N(st.Size()+10_000)) == nil
}

func (c *churn) punch() bool {
	f := c.open(0)
	if f == nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return false
	}
	return unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, c.Int64N(st.Size()), 1+c.Int64N(64<<10)) == nil
}

// move gives a directory another name.
func (c *churn) move() bool {
	return len(c.dirs) > 1 && os.Rename(c.dirs[1+c.IntN(len(c.dirs)-1)], c.fresh()) == nil
}

// exchange exchanges two directories, with files that may look alike.
func (c *churn) exchange() bool {
	if len(c.dirs) < 3 {
		return false
	}
	a, b := c.dirs[1+c.IntN(len(c.dirs)-1)], c.dirs[1+c.IntN(len(c.dirs)-1)]
	return a != b && unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE) == nil
}

// twins makes two directories at once, with files of one size and one moment in them, for
// exchange to find.
func (c *churn) twins() bool {
	a, b := c.fresh(), c.fresh()
	if os.Mkdir(a, 0o755) != nil || os.Mkdir(b, 0o755) != nil {
		return false
	}
	return os.WriteFile(a+"/x", []byte("one"), 0o644) == nil && os.WriteFile(b+"/x", []byte("two"), 0o644) == nil
}

func (c *churn) symlink() bool {
	target := make([]byte, 1+c.IntN(200))
	for i := range target {
		target[i] = 'a' + byte(c.IntN(26))
	}
	return os.Symlink(string(target), c.fresh()) == nil
}

// mkdir makes a directory, now and then with many names.
func (c *churn) mkdir() bool {
	name := c.fresh()
	if os.Mkdir(name, 0o755) != nil {
		return false
	}
	if c.IntN(6) > 0 {
		return true
	}
	for i := range 40 + c.IntN(300) {
		if os.WriteFile(filepath.Join(name, "a name of some length "+strconv.Itoa(i)), nil, 0o644) != nil {
			return false
		}
	}
	return true
}

// remove removes a directory with all in it, if it is not much.
func (c *churn) remove() bool {
	if len(c.dirs) < 4 {
		return false
	}
	return os.RemoveAll(c.dirs[1+c.IntN(len(c.dirs)-1)]) == nil
}
