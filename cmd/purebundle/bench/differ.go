package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// gridBlock is the size in bytes of what EBS stores and compares: a part is 20 of them.
const gridBlock = 512 << 10

// gridPages is how many pages such a block has.
const gridPages = gridBlock / pageSize

// parts is an image that lies in parts of a directory, as it would be read when they
// are joined.
type parts []*os.File

func openParts(dir string) (parts, error) {
	names, err := partFiles(dir)
	if err != nil {
		return nil, err
	}
	var p parts
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			p.close()
			return nil, err
		}
		p = append(p, f)
	}
	return p, nil
}

func (p parts) close() {
	for _, f := range p {
		f.Close() // only read from
	}
}

func (p parts) size() int64 { return int64(len(p)) * partSize }

// ReadAt implements io.ReaderAt.
func (p parts) ReadAt(b []byte, off int64) (n int, err error) {
	for n < len(b) {
		at := off + int64(n)
		if at < 0 || at >= p.size() {
			return n, io.EOF
		}
		want := b[n:min(int64(len(b)), int64(n)+partSize-at%partSize)]
		got, err := p[at/partSize].ReadAt(want, at%partSize)
		n += got
		if err != nil && !(errors.Is(err, io.EOF) && got == len(want)) {
			return n, err
		}
	}
	return n, nil
}

// same says whether part i of both is one file, as a hard link is.
func (p parts) same(q parts, i int) bool {
	if i >= len(p) || i >= len(q) {
		return false
	}
	a, err := p[i].Stat()
	if err != nil {
		return false
	}
	b, err := q[i].Stat()
	return err == nil && os.SameFile(a, b)
}

// differing says of each gridBlock of two images whether it differs. An image that is shorter
// is one that ends in zeros.
func differing(p, q parts) ([]bool, error) {
	longest := max(len(p), len(q))
	list := make([]bool, longest*partSize/gridBlock)
	a, b := make([]byte, partSize), make([]byte, partSize)
	for i := range longest {
		if p.same(q, i) {
			continue
		}
		for _, side := range []struct {
			of  parts
			buf []byte
		}{{p, a}, {q, b}} {
			if clear(side.buf); i >= len(side.of) {
				continue
			}
			if _, err := side.of.ReadAt(side.buf, int64(i)*partSize); err != nil {
				return nil, err
			}
		}
		for k := range partSize / gridBlock {
			list[i*partSize/gridBlock+k] = !bytes.Equal(a[k*gridBlock:(k+1)*gridBlock], b[k*gridBlock:(k+1)*gridBlock])
		}
	}
	return list, nil
}

// difference is what the child says of a bundle and its base.
type difference struct {
	Differ int // blocks of 512 KiB that are not the same, the file system's own included
	bound
}

// differCommand runs as the child that compares the bundles of two directories, the base first,
// part by part, and finds how few blocks could differ.
func differCommand(args []string, stdout io.Writer) error {
	if len(args) != 2 {
		return errors.New("differ: the directories of a base and of a second bundle needed")
	}
	p, err := openParts(args[0])
	if err != nil {
		return err
	}
	defer p.close()
	q, err := openParts(args[1])
	if err != nil {
		return err
	}
	defer q.close()
	grid, err := differing(p, q)
	if err != nil {
		return err
	}
	var d difference
	for _, other := range grid {
		if other {
			d.Differ++
		}
	}
	if d.bound, err = lowerBound(p, q, grid); err != nil {
		return fmt.Errorf("the lower bound: %w", err)
	}
	return json.NewEncoder(stdout).Encode(d)
}
