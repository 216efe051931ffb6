package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// tree is a tree to bundle.
type tree struct {
	letter string // A to J, M; C1 for the other layout of C, H1 to H6 for what is planted
	what   string
	path   string
	scale  float64 // of what it is at the full size
	content
}

// content is what is in a tree.
type content struct {
	Entries int64 // names, SOURCE itself included
	Data    int64 // bytes of regular files, holes and further links left out
}

// tree makes a tree, or takes the one that was kept. It lets a child do the
// work: what this process has had in memory counts as the peak RSS of the
// programs that it starts.
func (b *bench) tree(letter string) (*tree, error) { return b.treeAt(letter, b.scale) }

// treeAt returns a tree of another size than the one that was asked for.
func (b *bench) treeAt(letter string, scale float64) (*tree, error) {
	t := &tree{letter: letter, scale: scale}
	make := b.seededTree
	if letter == "A" {
		make = b.debianTree
	}
	if err := make(t); err != nil {
		return nil, fmt.Errorf("tree %s: %w", letter, err)
	}
	return t, b.count(t)
}

// count has a child look at what is in a tree, and flushes what made it.
func (b *bench) count(t *tree) error {
	_, out, err := measure(b.ctx, []string{b.self, "count", t.path})
	if err == nil {
		err = json.Unmarshal(out, &t.content)
	}
	if err != nil {
		return fmt.Errorf("count tree %s: %w", t.letter, err)
	}
	return flush(b.dir)
}

func (b *bench) seededTree(t *tree) error {
	t.what = makers[t.letter].what
	if t.scale != 1 {
		t.what += fmt.Sprintf(", times %g", t.scale)
	}
	// The name says what a kept tree was made from.
	t.path = filepath.Join(b.dir, fmt.Sprintf("tree-%s-seed%d-scale%g", t.letter, b.seed, t.scale))
	return b.build(t, []string{b.self, "tree", "-letter", t.letter,
		"-seed", fmt.Sprint(b.seed), "-scale", fmt.Sprint(t.scale), t.path + halfMade})
}

// debianTree finds or makes tree A.
func (b *bench) debianTree(t *tree) error {
	if b.debian != "" {
		t.path, t.what = b.debian, "a Debian root"
		return nil
	}
	t.path = filepath.Join(b.dir, "tree-A-"+b.suite)
	t.what = "a Debian root (" + b.suite + ", minbase with python3 and a kernel)"
	tool, err := exec.LookPath("debootstrap")
	if err == nil {
		// Debian's names of amd64 and arm64 are Go's.
		argv := []string{tool, "--variant=minbase", "--include=python3,shim-signed,grub-efi-" + runtime.GOARCH + "-signed,linux-image-" + runtime.GOARCH, b.suite, t.path + halfMade}
		if b.mirror != "" {
			argv = append(argv, b.mirror)
		}
		err = b.build(t, argv)
	}
	if err == nil || b.ctx.Err() != nil {
		return err
	}
	out, goErr := exec.Command("go", "env", "GOROOT").Output()
	if goErr != nil {
		return fmt.Errorf("%w; and no Go toolchain: %w", err, goErr)
	}
	b.say("tree A: %v; taking the Go toolchain's tree", err)
	t.path, t.what = strings.TrimSpace(string(out)), "the Go toolchain's own tree, for want of a Debian root"
	return nil
}

// halfMade ends the name of a tree that is not complete.
const halfMade = ".new"

// build runs argv, which makes the directory t.path+halfMade, unless there is a
// tree from an earlier run.
func (b *bench) build(t *tree, argv []string) error {
	if _, err := os.Stat(t.path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	b.say("making tree %s: %s", t.letter, t.what)
	half := t.path + halfMade
	if err := os.RemoveAll(half); err != nil {
		return err
	}
	if _, _, err := measure(b.ctx, argv); err != nil {
		return errors.Join(err, os.RemoveAll(half))
	}
	return os.Rename(half, t.path)
}

// drop removes a tree that is not to be kept.
func (b *bench) drop(t *tree) {
	if t == nil || b.keep || filepath.Dir(t.path) != filepath.Clean(b.dir) {
		return
	}
	if err := os.RemoveAll(t.path); err != nil {
		b.say("%v", err)
	}
}

// treeCommand runs as the child that makes a seeded tree.
func treeCommand(ctx context.Context, args []string) error {
	var letter string
	fl := newFiller(ctx)
	f := flag.NewFlagSet("tree", flag.ContinueOnError)
	f.StringVar(&letter, "letter", "", "which `tree`")
	f.Uint64Var(&fl.seed, "seed", 1, "`number` that decides all")
	f.Float64Var(&fl.scale, "scale", 1, "`factor`")
	if err := f.Parse(args); err != nil {
		return err
	}
	m, ok := makers[letter]
	if !ok || f.NArg() != 1 {
		return errors.New("tree: -letter and a directory needed")
	}
	if err := os.Mkdir(f.Arg(0), 0o755); err != nil {
		return err
	}
	return fl.fill(f.Arg(0), m.fill)
}

// countCommand runs as the child that looks at what is in a tree.
func countCommand(args []string, stdout io.Writer) error {
	c := content{Entries: 1}
	err := eachEntry(args, func() { c.Entries++ }, func(_ int, _ string, st *unix.Stat_t) error {
		c.Data += min(st.Size, st.Blocks*512) // st_blocks counts 512 bytes whatever the block size
		return nil
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(c)
}

// warmCommand runs as the child that reads a tree, so that it is in the cache.
func warmCommand(args []string) error {
	buf := make([]byte, 1<<20)
	return eachEntry(args, func() {}, func(dir int, name string, st *unix.Stat_t) error {
		if st.Size == 0 {
			return nil
		}
		f, err := openAt(dir, name, unix.O_RDONLY)
		if err != nil {
			return err
		}
		defer f.Close()
		return readData(f, buf)
	})
}

// readData reads what is not hole.
func readData(f *os.File, buf []byte) error {
	for end := int64(0); ; {
		off, err := f.Seek(end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err == nil {
			end, err = f.Seek(off, unix.SEEK_HOLE)
		}
		for err == nil && off < end {
			var n int
			n, err = f.ReadAt(buf[:min(int64(len(buf)), end-off)], off)
			off += int64(n)
		}
		if err != nil {
			return err
		}
	}
}

// eachEntry calls name for each name below args[0], and file for each regular
// file by its directory and its name there, of several links the first. Paths may
// be of any length, so directories are opened from one another.
func eachEntry(args []string, name func(), file func(dir int, name string, st *unix.Stat_t) error) error {
	if len(args) != 1 {
		return errors.New("one directory needed")
	}
	top, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer top.Close()
	seen := make(map[[2]uint64]bool)
	var visit func(dir *os.File) error
	visit = func(dir *os.File) error {
		list, err := dir.ReadDir(-1)
		slices.SortFunc(list, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		for _, d := range list {
			name()
			if err != nil || !d.IsDir() && !d.Type().IsRegular() {
				continue
			}
			if d.IsDir() {
				var sub *os.File
				if sub, err = openAt(int(dir.Fd()), d.Name(), unix.O_DIRECTORY); err == nil {
					err = errors.Join(visit(sub), sub.Close())
				}
				continue
			}
			var st unix.Stat_t
			if err = unix.Fstatat(int(dir.Fd()), d.Name(), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				continue
			}
			if id := [2]uint64{st.Dev, st.Ino}; st.Nlink > 1 {
				if seen[id] {
					continue
				}
				seen[id] = true
			}
			err = file(int(dir.Fd()), d.Name(), &st)
		}
		return err
	}
	return visit(top)
}

// openAt opens what has a name in a directory.
func openAt(dir int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(dir, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}
