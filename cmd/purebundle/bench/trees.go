package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

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
	"G":  {"4,096 files of 1 MiB in 64 directories", func(f *filler) error { return f.spread(64, 4096, oneMiB) }},
	"H1": {"10,000 directories inside one another, a file in each", (*filler).nested},
	"H2": {"250,000 symbolic links with targets of 4,000 bytes", (*filler).targets},
	"H3": {"1,000,000 empty files with names of 255 bytes in 100 directories", (*filler).longNames},
	"H4": {"2,000,000 links in one directory, of 40 files", (*filler).oneDirectory},
	"H5": {"100,000 empty files named as an editor's swap files", (*filler).swapFiles},
	"H6": {"100,000 empty files with 3,900 bytes of attributes, no two alike", (*filler).attributes},
}

// filler writes one tree. The same seed gives the same names, sizes and bytes.
type filler struct {
	ctx   context.Context
	seed  uint64
	scale float64

	path  string
	rand  *rand.Rand
	bytes *rand.ChaCha8
	buf   []byte
}

func newFiller(ctx context.Context) *filler { return &filler{ctx: ctx, buf: make([]byte, 1<<20)} }

// fill makes a tree in an empty directory.
func (f *filler) fill(path string, with func(*filler) error) error {
	f.path = path
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], f.seed)
	f.bytes = rand.NewChaCha8(seed)
	f.rand = rand.New(rand.NewPCG(f.seed, 0))
	return with(f)
}

// scaled returns how many things the tree has of which it has n at full size.
func (f *filler) scaled(n int) int { return max(int(float64(n)*f.scale), 1) }

func oneTo(most int) func(*rand.Rand) int { return func(r *rand.Rand) int { return 1 + r.IntN(most) } }

func oneMiB(*rand.Rand) int { return 1 << 20 }

func tiny(r *rand.Rand) int { return max(r.IntN(129)-64, 0) }

// spread makes files in directories, so many one after the other in each.
func (f *filler) spread(dirs, files int, size func(*rand.Rand) int) error {
	dirs, files = f.scaled(dirs), f.scaled(files)
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

// name returns a name that no other file has, 9 to 28 bytes long.
func (f *filler) name(n int) string {
	b := make([]byte, 1+f.rand.IntN(20))
	for i := range b {
		b[i] = 'a' + byte(f.rand.IntN(26))
	}
	return fmt.Sprintf("%s-%07d", b, n)
}

func (f *filler) large() error {
	for i, mib := range []int{4096, 256, 256, 256, 256, 256, 256, 256, 256} {
		if err := f.file(fmt.Sprintf("file-%d", i), f.scaled(mib)); err != nil {
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
	pieces := f.scaled(2000)
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
