package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// tree is a tree to bundle, and what is in it.
type tree struct {
	letter string // A to F, C1 for the other layout of C
	what   string
	path   string

	entries int64 // names, SOURCE itself included
	data    int64 // bytes of regular files, holes and further links left out
}

// makers fill an empty directory with a tree.
var makers = map[string]struct {
	what string // for the scale 1
	fill func(*filler) error
}{
	"B":  {"200,000 files of 1 to 4,096 bytes in 2,000 directories", func(f *filler) error { return f.spread(2000, 200000, oneTo(4096)) }},
	"C":  {"100,000 files of 1 to 1,024 bytes in one directory", func(f *filler) error { return f.spread(1, 100000, oneTo(1024)) }},
	"C1": {"the files of C in 1,000 directories", func(f *filler) error { return f.spread(1000, 100000, oneTo(1024)) }},
	"D":  {"one file of 4 GiB, eight of 256 MiB", (*filler).large},
	"E":  {"1,000,000 files of 0 to 64 bytes, half of them empty, in 1,000 directories", func(f *filler) error { return f.spread(1000, 1000000, tiny) }},
	"F":  {"a sparse file of 1 TiB with 100 MiB in 2,000 pieces", (*filler).sparse},
}

// filler writes one tree. The same seed gives the same names, sizes and bytes.
type filler struct {
	ctx   context.Context
	cfg   *config
	path  string
	rand  *rand.Rand
	bytes *rand.ChaCha8
	buf   []byte
}

func newFiller(ctx context.Context, cfg *config, path string) *filler {
	seed := [32]byte{byte(cfg.seed), byte(cfg.seed >> 8), byte(cfg.seed >> 16), byte(cfg.seed >> 24),
		byte(cfg.seed >> 32), byte(cfg.seed >> 40), byte(cfg.seed >> 48), byte(cfg.seed >> 56)}
	source := rand.NewChaCha8(seed)
	seed[31] = 1
	return &filler{ctx: ctx, cfg: cfg, path: path, rand: rand.New(source), bytes: rand.NewChaCha8(seed), buf: make([]byte, 1<<20)}
}

func oneTo(most int) func(*rand.Rand) int { return func(r *rand.Rand) int { return 1 + r.IntN(most) } }

func tiny(r *rand.Rand) int { return max(r.IntN(129)-64, 0) }

// spread makes files in directories, so many one after the other in each.
func (f *filler) spread(dirs, files int, size func(*rand.Rand) int) error {
	dirs, files = f.cfg.scaled(dirs), f.cfg.scaled(files)
	for d := range dirs {
		dir := filepath.Join(f.path, fmt.Sprintf("directory-%04d", d))
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		for n := files * d / dirs; n < files*(d+1)/dirs; n++ {
			name := filepath.Join(dir, f.name(n))
			data := f.buf[:size(f.rand)]
			_, _ = f.bytes.Read(data)
			if err := os.WriteFile(name, data, 0o644); err != nil {
				return err
			}
		}
		if f.ctx.Err() != nil {
			return context.Cause(f.ctx)
		}
	}
	return nil
}

// name is one that no other file has, 9 to 28 bytes long.
func (f *filler) name(n int) string {
	b := make([]byte, 1+f.rand.IntN(20))
	for i := range b {
		b[i] = 'a' + byte(f.rand.IntN(26))
	}
	return fmt.Sprintf("%s-%07d", b, n)
}

func (f *filler) large() error {
	for i, mib := range []int{4096, 256, 256, 256, 256, 256, 256, 256, 256} {
		if err := f.file(fmt.Sprintf("file-%d", i), f.cfg.scaled(mib)); err != nil {
			return err
		}
	}
	return nil
}

// file makes a file of so many MiB.
func (f *filler) file(name string, mib int) error {
	out, err := os.Create(filepath.Join(f.path, name))
	if err != nil {
		return err
	}
	defer out.Close()
	for range mib {
		_, _ = f.bytes.Read(f.buf[:1<<20])
		if _, err := out.Write(f.buf[:1<<20]); err != nil {
			return err
		}
		if f.ctx.Err() != nil {
			return context.Cause(f.ctx)
		}
	}
	return out.Close()
}

// sparse makes one file whose pieces of 12 or 13 blocks lie evenly in it.
func (f *filler) sparse() error {
	const size = 1 << 40
	out, err := os.Create(filepath.Join(f.path, "sparse"))
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Truncate(size); err != nil {
		return err
	}
	pieces := f.cfg.scaled(2000)
	step := int64(size) / int64(pieces) / pageSize * pageSize
	for i := range pieces {
		data := f.buf[:13*pageSize]
		if i%5 == 4 {
			data = f.buf[:12*pageSize]
		}
		_, _ = f.bytes.Read(data)
		if _, err := out.WriteAt(data, int64(i)*step); err != nil {
			return err
		}
	}
	return out.Close()
}

// tree makes a tree, or takes the one that was kept.
func (b *bench) tree(letter string) (*tree, error) {
	t := &tree{letter: letter}
	if letter == "A" {
		if err := b.debianTree(t); err != nil {
			return nil, err
		}
		return t, t.count()
	}
	m := makers[letter]
	t.what = m.what
	if b.scale != 1 {
		t.what += fmt.Sprintf(", times %g", b.scale)
	}
	// The name says what a kept tree was made from.
	t.path = filepath.Join(b.dir, fmt.Sprintf("tree-%s-seed%d-scale%g", letter, b.seed, b.scale))
	if _, err := os.Stat(t.path); errors.Is(err, fs.ErrNotExist) {
		b.say("making tree %s: %s", letter, t.what)
		half := t.path + ".new"
		if err := os.RemoveAll(half); err != nil {
			return nil, err
		}
		if err := os.Mkdir(half, 0o755); err != nil {
			return nil, err
		}
		if err := m.fill(newFiller(b.ctx, &b.config, half)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(half))
		}
		if err := os.Rename(half, t.path); err != nil {
			return nil, err
		}
	}
	return t, t.count()
}

// drop removes a tree that is not to be kept.
func (b *bench) drop(t *tree) {
	if t == nil || b.keep || !strings.HasPrefix(t.path, b.dir+string(filepath.Separator)) {
		return
	}
	if err := os.RemoveAll(t.path); err != nil {
		b.say("%v", err)
	}
}

// debianTree finds or makes tree A.
func (b *bench) debianTree(t *tree) error {
	if b.debian != "" {
		t.path, t.what = b.debian, "Debian root"
		return nil
	}
	t.path = filepath.Join(b.dir, "tree-A-"+b.suite)
	t.what = "Debian root (" + b.suite + ", minbase with python3 and a kernel)"
	if _, err := os.Stat(t.path); err == nil {
		return nil
	}
	tool, err := exec.LookPath("debootstrap")
	if err == nil {
		b.say("making tree A: %s", t.what)
		half := t.path + ".new"
		args := []string{"--variant=minbase", "--include=python3,linux-image-generic", b.suite, half}
		args[1] = "--include=python3,linux-image-" + debianArch()
		if b.mirror != "" {
			args = append(args, b.mirror)
		}
		if err = os.RemoveAll(half); err == nil {
			_, _, err = measure(b.ctx, append([]string{tool}, args...))
		}
		if err == nil {
			return os.Rename(half, t.path)
		}
		if rmErr := os.RemoveAll(half); rmErr != nil {
			return rmErr
		}
		if b.ctx.Err() != nil {
			return err
		}
	}
	out, goErr := exec.Command("go", "env", "GOROOT").Output()
	if goErr != nil {
		return fmt.Errorf("tree A: %w; and no Go toolchain: %w", err, goErr)
	}
	b.say("tree A: %v; taking the Go toolchain's tree", err)
	t.path, t.what = strings.TrimSpace(string(out)), "the Go toolchain's own tree, for want of a Debian root"
	return nil
}

// count looks at what is in the tree.
func (t *tree) count() error {
	seen := make(map[[2]uint64]bool)
	return filepath.WalkDir(t.path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		t.entries++
		if !d.Type().IsRegular() {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		if id := [2]uint64{st.Dev, st.Ino}; st.Nlink > 1 {
			if seen[id] {
				return nil
			}
			seen[id] = true
		}
		t.data += min(st.Size, st.Blocks*512) // st_blocks counts 512 bytes whatever the block size
		return nil
	})
}
