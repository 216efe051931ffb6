package chunk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// based is an image of which parts 1 and 2 are those of baseImage.
func based() *image {
	return &image{parts: 4, seed: 2, zero: map[int]bool{3: true}, seeds: map[int]uint64{1: 1, 2: 1}}
}

func baseImage() *image { return &image{parts: 5, seed: 1, zero: map[int]bool{3: true}} }

// baseIn makes the bundle of baseImage in a directory, and opens it.
func baseIn(t *testing.T, dir string) *Bundle {
	t.Helper()
	build(t, dir, baseImage(), Options{Prefix: "p"})
	b, err := Load(dir, "p")
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

// keepAll makes the bundle of based with w, parts 1 and 2 of the base, and returns those
// that were lost, which are made.
func keepAll(t *testing.T, w *Writer) (lost []int, err error) {
	t.Helper()
	im := based()
	must(t, w.Preflight(im.parts, 1<<20))
	if lost, err = w.Keep(t.Context(), []int{1, 2}, nil); err != nil {
		return nil, err
	}
	if err := w.Write(t.Context(), im, append([]int{0}, lost...), nil); err != nil {
		return lost, err
	}
	return lost, w.WriteZero(t.Context(), []int{3}, nil)
}

// TestKeep takes parts of a base in another directory, and in the same one.
func TestKeep(t *testing.T) {
	for _, c := range []struct {
		name string
		harm func(t *testing.T, dir string)
		lost []int
	}{
		{"whole", func(*testing.T, string) {}, nil},
		{"missing", func(t *testing.T, dir string) { must(t, os.Remove(dir+"/p.part.001")) }, []int{1}},
		{"short", func(t *testing.T, dir string) { must(t, os.Truncate(dir+"/p.part.002", 1000)) }, []int{2}},
		{"damaged", func(t *testing.T, dir string) {
			f, err := os.OpenFile(dir+"/p.part.001", os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt([]byte("damage"), 5_000_000)
			must(t, errors.Join(err, f.Close()))
		}, []int{1}},
		{"touched", func(t *testing.T, dir string) {
			later := time.Now().Add(time.Hour)
			must(t, os.Chtimes(dir+"/p.part.001", later, later))
		}, nil},
		{"older than its run", func(t *testing.T, dir string) {
			must(t, os.Chtimes(dir+"/p.part.001", time.Unix(1, 0), time.Unix(1, 0)))
			must(t, os.WriteFile(dir+"/p.part.002", make([]byte, Size), 0o600))
			must(t, os.Chtimes(dir+"/p.part.002", time.Unix(1, 0), time.Unix(1, 0)))
		}, []int{2}},
		{"a link", func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/p.part.001", dir+"/x"))
			must(t, os.Symlink("x", dir+"/p.part.001"))
		}, []int{1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := t.TempDir()
			b := baseIn(t, top+"/base")
			c.harm(t, top+"/base")
			w, err := Create(top+"/new", Options{Prefix: "p", Base: b})
			must(t, err)
			lost, err := keepAll(t, w)
			must(t, err)
			if !slices.Equal(lost, c.lost) || w.Stats().Taken != 2-len(lost) {
				t.Errorf("lost %v, %d taken, want %v", lost, w.Stats().Taken, c.lost)
			}
			must(t, w.Commit(t.Context(), testManifest()))
			wantBundle(t, top+"/new", "p", based())
		})
	}
}

// TestKeptAgain makes a part that was taken once more: the base stays as it is.
func TestKeptAgain(t *testing.T) {
	top := t.TempDir()
	b := baseIn(t, top+"/base")
	w, err := Create(top+"/new", Options{Prefix: "p", Base: b})
	must(t, err)
	_, err = keepAll(t, w)
	must(t, err)
	im := based()
	im.seeds = nil
	must(t, w.Write(t.Context(), im, []int{1, 2}, nil))
	if n := w.Stats().Taken; n != 0 {
		t.Errorf("%d parts count as taken", n)
	}
	must(t, w.Commit(t.Context(), testManifest()))
	wantBundle(t, top+"/new", "p", im)
	wantBundle(t, top+"/base", "p", baseImage())
}

// TestKeepSame takes a part that has the digest of the base's although it was made.
func TestKeepSame(t *testing.T) {
	top := t.TempDir()
	b := baseIn(t, top+"/base")
	w, err := Create(top+"/new", Options{Prefix: "p", Base: b})
	must(t, err)
	must(t, fillAll(t.Context(), w, based()))
	if n := w.Stats().Taken; n != 2 {
		t.Errorf("%d parts taken", n)
	}
	must(t, w.Commit(t.Context(), testManifest()))
	wantBundle(t, top+"/new", "p", based())
}

// keepPlaces are where the base is: elsewhere, or where the new bundle replaces it.
var keepPlaces = []struct{ name, dest string }{{"elsewhere", "new"}, {"replaced", "base"}}

// TestKeepFault lets each change of the directory fail in turn.
func TestKeepFault(t *testing.T) {
	t.Parallel()
	for _, place := range keepPlaces {
		t.Run(place.name, func(t *testing.T) {
			failed, dg, first := 0, make(digests), ramDir(t)+"/first"
			baseIn(t, first)
			for at := 1; ; at++ {
				top := ramDir(t)
				copyDir(t, first, top+"/base")
				b, err := Load(top+"/base", "p")
				must(t, err)
				defer b.Close()
				dest := filepath.Join(top, place.dest)
				w, err := Create(dest, Options{Prefix: "p", Base: b, Force: true, Workers: 1})
				must(t, err)
				n := 0
				onChange(w, func(op, name string) error {
					if n++; n == at {
						return syscall.ENOSPC
					}
					return nil
				})
				_, err = keepAll(t, w)
				if err == nil {
					err = w.Commit(t.Context(), testManifest())
				}
				must(t, w.Abort())
				if n < at {
					must(t, err)
					dg.wantWhole(t, dest, based())
					break
				}
				failed++
				if _, left := errors.AsType[*LeftoverError](err); left {
					dg.recovered(t, dest, based())
					continue
				}
				if err != nil {
					dg.wantWhole(t, top+"/base", baseImage())
				}
			}
			if failed < 10 {
				t.Errorf("only %d changes could fail", failed)
			}
		})
	}
}

// TestKeepCrash looks at what is there before each change, as if the run had been killed.
func TestKeepCrash(t *testing.T) {
	t.Parallel()
	for _, place := range keepPlaces {
		t.Run(place.name, func(t *testing.T) {
			top := ramDir(t)
			b := baseIn(t, top+"/base")
			dest := filepath.Join(top, place.dest)
			w, err := Create(dest, Options{Prefix: "p", Base: b, Force: true, Workers: 1})
			must(t, err)
			var crashes []string
			onChange(w, func(string, string) error {
				crash := filepath.Join(top, fmt.Sprint("crash", len(crashes)))
				copyDir(t, dest, crash)
				crashes = append(crashes, crash)
				return nil
			})
			_, err = keepAll(t, w)
			must(t, err)
			must(t, w.Commit(t.Context(), testManifest()))
			old, states, dg := (*image)(nil), make(map[string]int), make(digests)
			if place.dest == "base" {
				old = baseImage()
			}
			fresh := based()
			for _, crash := range crashes {
				states[dg.wantPromise(t, crash, old, fresh)]++
			}
			if states["newer"] == 0 || states["none"] == 0 || old != nil && states["older"] == 0 {
				t.Errorf("states %v", states)
			}
			wantBundle(t, dest, "p", based())
			if old == nil {
				wantBundle(t, top+"/base", "p", baseImage())
			}
		})
	}
}
