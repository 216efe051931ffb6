package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// A churned file is a run of 64-byte records that say which file and which
// generation they belong to and where they stand, so that any content can be
// judged: a file is always a prefix of one generation, except a "page" file,
// whose pages are brought to the next generation one after the other.
const (
	record = 64   // bytes
	page   = 4096 // bytes, written at once
	pages  = 256  // of a page file
)

// stream gives size bytes of generation gen of file id.
func stream(id, gen uint64, size int) []byte {
	b := make([]byte, (size+record-1)/record*record)
	for i := 0; i < len(b); i += record {
		binary.LittleEndian.PutUint64(b[i:], id)
		binary.LittleEndian.PutUint64(b[i+8:], gen)
		binary.LittleEndian.PutUint64(b[i+16:], uint64(i))
		binary.LittleEndian.PutUint64(b[i+24:], (id*31+gen)*uint64(i+1))
	}
	return b[:size]
}

// TestChurn bundles a tree for a minute while writers create, rename, append,
// truncate, rewrite, link and delete in it as fast as they can. Each image must
// be clean, and each file in it a state that the file was in.
func TestChurn(t *testing.T) {
	imgtest.RequireRoot(t)
	length := time.Minute
	if testing.Short() {
		length = 5 * time.Second
	}
	work := t.TempDir()
	src := filepath.Join(work, "src")
	stop := make(chan struct{})
	var dirs []string
	var writers sync.WaitGroup
	for id := range uint64(3) {
		dir := filepath.Join(src, fmt.Sprint("w", id))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
		w := &churner{dir: dir, pagesOnly: id == 0, Rand: rand.New(rand.NewPCG(1, id))}
		writers.Go(func() { w.run(stop) })
		defer func() { t.Logf("writer %d: %d operations", id, w.operations) }()
	}
	defer writers.Wait()
	defer close(stop)

	files, rounds, changes, busy := 0, 0, make(map[string]int), make([]int, len(dirs))
	for end := time.Now().Add(length); time.Now().Before(end) || slices.Contains(busy, 0) && rounds < 60; rounds++ {
		before := stamps(t, dirs)
		files += churnRound(t, src, filepath.Join(work, fmt.Sprint(rounds)), changes)
		for i, stamp := range stamps(t, dirs) {
			if stamp != before[i] {
				busy[i]++ // else the disk let the writer wait
			}
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d bundles, %d files compared, changes %v, rounds of each writer %v", rounds, files, changes, busy)
	if slices.Contains(busy, 0) {
		t.Errorf("rounds in which each writer changed something: %v of %d", busy, rounds)
	}
	if files == 0 {
		t.Error("no file was compared")
	}
}

// stamps returns what each of the directories shows of its files: names, inodes,
// sizes and times.
func stamps(t *testing.T, dirs []string) (list []string) {
	for _, dir := range dirs {
		var text strings.Builder
		names, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range names {
			var st unix.Stat_t
			_ = unix.Lstat(filepath.Join(dir, d.Name()), &st) // gone by now: as good a change
			fmt.Fprintln(&text, d.Name(), st.Ino, st.Size, st.Mtim, st.Ctim)
		}
		list = append(list, text.String())
	}
	return list
}

// churnRound bundles src once and judges the image. It returns how many files
// were compared.
func churnRound(t *testing.T, src, work string, changes map[string]int) (files int) {
	defer os.RemoveAll(work)
	dest, image := filepath.Join(work, "dest"), filepath.Join(work, "image")
	out, err := exec.Command("purebundle", "bundle", "-q", src, dest).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != cli.StatusIncomplete) {
		t.Fatalf("bundle: %v\n%s", err, out)
	}
	if out, err := exec.Command("purebundle", "unbundle", "-q", dest, image).CombinedOutput(); err != nil {
		t.Fatalf("unbundle: %v\n%s", err, out)
	}
	imgtest.Fsck(t, image)
	unstable := unstableIn(t, filepath.Join(dest, "image.manifest.json"), changes)
	mnt := imgtest.Mount(t, image)
	defer imgtest.Unmount(t, mnt)
	err = filepath.WalkDir(mnt, func(name string, d fs.DirEntry, err error) error {
		path := strings.TrimPrefix(name, mnt)
		if err != nil || !d.Type().IsRegular() || unstable[path] {
			return err
		}
		b, err := os.ReadFile(name)
		if err == nil {
			files++
			err = judge(b, strings.HasPrefix(d.Name(), "page"))
		}
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	return files
}

// unstableIn lists what the manifest says is not a state of the file, and
// counts all changes by kind.
func unstableIn(t *testing.T, manifest string, changes map[string]int) map[string]bool {
	var m struct {
		Changes []struct{ Path, Kind string }
	}
	b, err := os.ReadFile(manifest)
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	unstable := make(map[string]bool)
	for _, c := range m.Changes {
		changes[c.Kind]++
		if c.Kind == "unstable" {
			unstable[c.Path] = true
		}
	}
	return unstable
}

// judge says whether b is a state that a churned file was in.
func judge(b []byte, paged bool) error {
	if len(b) < 16 {
		return nil // too short to say which generation it is of
	}
	id, gen := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	if !paged {
		want := stream(id, gen, len(b))
		if i := firstDiff(b, want); i >= 0 {
			return fmt.Errorf("byte %d of %d is not of generation %d", i, len(b), gen)
		}
		return nil
	}
	older := false
	for p := 0; p < len(b); p += page {
		g := binary.LittleEndian.Uint64(b[p+8:])
		if g == gen-1 {
			older = true
		} else if g != gen || older {
			return fmt.Errorf("page %d is of generation %d, the first of %d", p/page, g, gen)
		}
		if i := firstDiff(b[p:p+page], stream(id, g, p+page)[p:]); i >= 0 {
			return fmt.Errorf("byte %d is not of generation %d", p+i, g)
		}
	}
	return nil
}

func firstDiff(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// churner changes the files of one directory. Errors are other operations'
// doing: what it works on may be gone.
type churner struct {
	dir        string
	operations int
	gen        uint64
	pagesOnly  bool
	*rand.Rand
}

func (c *churner) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
			c.step()
			c.operations++
		}
	}
}

func (c *churner) name(n int) string { return filepath.Join(c.dir, fmt.Sprint("f", c.IntN(n))) }

func (c *churner) step() {
	c.gen++
	if c.pagesOnly {
		c.turnPages(filepath.Join(c.dir, fmt.Sprint("page", c.IntN(16))))
		return
	}
	name := c.name(300)
	id, _ := strconv.ParseUint(strings.TrimPrefix(filepath.Base(name), "f"), 10, 64)
	size := 1 << c.IntN(20)
	switch c.IntN(12) {
	case 0, 1: // a new one takes its place
		tmp := filepath.Join(c.dir, "tmp")
		os.WriteFile(tmp, stream(id, c.gen, size), 0o644)
		os.Rename(tmp, name)
	case 2: // in the old inode, from the start
		os.Truncate(name, 0)
		if f, err := os.OpenFile(name, os.O_WRONLY, 0); err == nil {
			if st, err := f.Stat(); err == nil && st.Sys() != nil && singleLink(f) {
				f.Write(stream(id, c.gen, size))
			}
			f.Close()
		}
	case 3, 4, 5:
		c.extend(name)
	case 6:
		if st, err := os.Stat(name); err == nil {
			os.Truncate(name, c.Int64N(st.Size()+1))
		}
	case 7:
		os.Remove(name)
	case 8:
		os.Link(name, filepath.Join(c.dir, fmt.Sprint("link", c.IntN(50))))
	case 9:
		os.Remove(filepath.Join(c.dir, fmt.Sprint("link", c.IntN(50))))
	case 10:
		dir := filepath.Join(c.dir, fmt.Sprint("dir", c.IntN(20)))
		if os.Mkdir(dir, 0o755) != nil {
			os.RemoveAll(dir)
		} else {
			os.WriteFile(filepath.Join(dir, "in"), stream(1, 1, 100), 0o644)
			os.Symlink("in", filepath.Join(dir, "ln"))
		}
	case 11:
		c.turnPages(filepath.Join(c.dir, fmt.Sprint("page", c.IntN(4))))
	}
}

// singleLink keeps two names of one inode from being written as two files.
func singleLink(f *os.File) bool {
	var st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &st) == nil && st.Nlink == 1
}

// extend appends to a file what its generation goes on with.
func (c *churner) extend(name string) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	head := make([]byte, 16)
	st, err := f.Stat()
	if err != nil || st.Size() > 4<<20 {
		return
	}
	if n, _ := f.ReadAt(head, 0); n < 16 {
		return
	}
	more := c.IntN(50_000)
	b := stream(binary.LittleEndian.Uint64(head), binary.LittleEndian.Uint64(head[8:]), int(st.Size())+more)
	f.WriteAt(b[st.Size():], st.Size())
}

// turnPages brings a file to its next generation page by page.
func (c *churner) turnPages(name string) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		tmp := filepath.Join(c.dir, "tmp")
		os.WriteFile(tmp, stream(7, 1, pages*page), 0o644)
		os.Rename(tmp, name)
		return
	}
	defer f.Close()
	head := make([]byte, 16)
	f.ReadAt(head, 0)
	next := stream(7, binary.LittleEndian.Uint64(head[8:])+1, pages*page)
	for p := 0; p < len(next); p += page {
		f.WriteAt(next[p:p+page], int64(p))
	}
}
