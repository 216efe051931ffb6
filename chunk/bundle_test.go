package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"testing/iotest"
)

func TestReadAt(t *testing.T) {
	dir := t.TempDir()
	im := &image{parts: 3, zero: map[int]bool{1: true}}
	build(t, dir, im, Options{Prefix: "p"})
	b, err := Load(dir, "")
	must(t, err)
	defer b.Close()
	want := bytes.NewReader(im.bytes())
	for _, border := range []int64{0, Size, 2 * Size, 3 * Size} {
		for _, before := range []int64{0, 1, 4095, 4096} {
			for _, n := range []int64{0, 1, before, before + 1, 4097, Size - 1, Size, Size + 1, 2*Size + 1} {
				off := border - before
				if off < 0 {
					continue
				}
				got, ref := make([]byte, n), make([]byte, n)
				gn, gerr := b.ReadAt(got, off)
				rn, rerr := want.ReadAt(ref, off)
				if n == 0 {
					rn, rerr = 0, nil // bytes.Reader says EOF at the end even then
				}
				if gn != rn || (gerr == io.EOF) != (rerr == io.EOF) || (gerr == nil) != (rerr == nil) || !bytes.Equal(got[:gn], ref[:rn]) {
					t.Fatalf("%d bytes at %d: %d, %v; want %d, %v", n, off, gn, gerr, rn, rerr)
				}
			}
		}
	}
	if _, err := b.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("at -1: %v", err)
	}
	if n, err := b.ReadAt(make([]byte, 1), 1<<62); n != 0 || err != io.EOF {
		t.Errorf("far out: %d, %v", n, err)
	}
	if n, err := b.ReadAt(make([]byte, 2), 1<<63-1); n != 0 || err != io.EOF {
		t.Errorf("at the last offset: %d, %v", n, err)
	}
	if err := iotest.TestReader(io.NewSectionReader(b, Size-100, 200), im.bytes()[Size-100:Size+100]); err != nil {
		t.Error(err)
	}
	must(t, b.Close())
	if _, err := b.ReadAt(make([]byte, 1), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestReadAtMany reads more parts at once than may be open.
func TestReadAtMany(t *testing.T) {
	const parts = 2*maxOpen + 5
	dir := t.TempDir()
	im := &image{parts: parts, zero: make(map[int]bool)}
	for i := range parts {
		im.zero[i] = i%9 != 0
	}
	build(t, dir, im, Options{Prefix: "p"})
	b, err := Load(dir, "")
	must(t, err)
	defer b.Close()
	must(t, b.Verify(t.Context(), 0, nil)) // so that the reads below do not check again
	before := openFiles(t)
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for g := range 16 {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range 500 {
				i := r.IntN(parts)
				var got [1]byte
				n, err := b.ReadAt(got[:], int64(i)*Size)
				want := byte(1)
				if im.zero[i] {
					want = 0
				}
				if n != 1 || err != nil || got[0] != want {
					errs <- fmt.Errorf("part %d: %d, %v, %d", i, n, err, got[0])
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
	if n := openFiles(t) - before; n > maxOpen {
		t.Errorf("%d more files open", n)
	}
}

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// TestReadAtSticky: a part that was found damaged stays so, one that vanishes
// after its check is an error.
func TestReadAtSticky(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, &image{parts: 2}, Options{Prefix: "p"})
	b, err := Load(dir, "")
	must(t, err)
	defer b.Close()
	flip(t, dir+"/p.part.000", 77)
	for range 2 {
		if n, err := b.ReadAt(make([]byte, 1), 0); n != 0 || !errors.Is(err, ErrDamaged) {
			t.Errorf("%d, %v", n, err)
		}
	}
	flip(t, dir+"/p.part.000", 77)
	must(t, b.Verify(t.Context(), 0, nil)) // looks again
	n, err := b.ReadAt(make([]byte, 10), Size-5)
	if n != 0 || !errors.Is(err, ErrDamaged) {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := b.ReadAt(make([]byte, 1), Size); err != nil {
		t.Error(err)
	}
	must(t, os.Truncate(dir+"/p.part.001", 5))
	if n, err := b.ReadAt(make([]byte, 10), Size); n != 0 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut after its check: %d, %v", n, err)
	}
}
