package s3_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// cut makes so many parts of a bundle p, and ends as a run that fails does.
func cut(t *testing.T, s *s3.Store, im image, opt chunk.Options, after int) {
	t.Helper()
	opt.Prefix, opt.Workers = "p", 1
	w, err := s.Create(t.Context(), opt)
	must(t, err)
	must(t, w.Preflight(len(im), im.size()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	made := 0
	err = w.Write(ctx, im, allOf(im), func(int) {
		if made++; made == after {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("was not cut: %v", err)
	}
	must(t, w.Abort())
}

func allOf(im image) (parts []int) {
	for i := range im {
		parts = append(parts, i)
	}
	return parts
}

// goOn makes a bundle p with what is there of it, and checks how many parts were kept
// at least and at most: that which was cut off may have arrived.
func goOn(t *testing.T, srv *s3test.Server, s *s3.Store, im image, opt chunk.Options, least, most int) {
	t.Helper()
	opt.GoOn = true
	st := build(t, s, im, opt)
	if st.Kept < least || st.Kept > most || st.Bytes > int64(len(im)-st.Kept)*chunk.Size || st.Parts != len(im) {
		t.Errorf("%+v, want %d to %d parts kept of %d", st, least, most, len(im))
	}
	wantBundle(t, srv, s, im)
}

// A bundle that was cut goes on: parts that are there are not sent again, and what has
// changed meanwhile is.
func TestGoOn(t *testing.T) {
	srv := s3test.Start(t)
	for _, tt := range []struct {
		name        string
		cut, then   image
		least, most int
	}{
		{"the same", "abcdefgh", "abcdefgh", 3, 4},
		{"a part has changed", "abcdefgh", "axcdefgh", 2, 3},
		{"shorter", "abcdefgh", "ab", 2, 2},
		{"longer", "abcd", "abcdefgh", 3, 4},
		{"another", "abcdefgh", "stuvwxyz", 0, 0},
		{"zeros", "a00bcdef", "a00bcdef", 3, 4},
		{"zeros come and go", "a0bcdefg", "abb0defg", 2, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, srv, s3.Options{})
			cut(t, s, tt.cut, chunk.Options{GoOn: true}, 3)
			_, err := s.Create(t.Context(), chunk.Options{Prefix: "p"})
			wantError(t, err, "exists already", "resume it")
			if _, err := s.Load(t.Context(), "p"); !errors.Is(err, chunk.ErrNoBundle) {
				t.Errorf("load: %v", err)
			}
			goOn(t, srv, s, tt.then, chunk.Options{}, tt.least, tt.most)
		})
	}
}

// It goes on after any number of cuts, and after a run that was killed without having
// been told that another one would.
func TestGoOnAgain(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	w, err := s.Create(t.Context(), chunk.Options{Prefix: "p"})
	must(t, err)
	must(t, w.Preflight(8, 0))
	must(t, w.Write(t.Context(), image("abcdefgh"), []int{5, 1}, nil)) // and is never heard of again
	for i := range 3 {
		cut(t, s, "abcdefgh", chunk.Options{GoOn: true}, i+2)
	}
	goOn(t, srv, s, "abcdefgh", chunk.Options{}, 5, 6)
	_, err = s.Create(t.Context(), chunk.Options{Prefix: "p", GoOn: true})
	wantError(t, err, "exists already")
	if !errors.Is(err, chunk.ErrExists) {
		t.Errorf("a whole bundle: %v", err)
	}
}

// What is there under the name of a part and is not that part is sent again, or goes.
func TestGoOnWrongParts(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	must(t, s.Put(t.Context(), "p.part.000", image("x").part(0)))
	must(t, s.Put(t.Context(), "p.part.001", []byte("short")))
	must(t, s.Put(t.Context(), "p.part.002", image("c").part(0)))
	must(t, s.Put(t.Context(), "p.part.003", image("d").part(0)[:chunk.Size-1]))
	must(t, s.Put(t.Context(), "p.part.017", image("y").part(0)))
	must(t, s.Put(t.Context(), "p.part.0000", image("a").part(0)))
	must(t, s.Put(t.Context(), "p.sha256", []byte("wrong")))
	goOn(t, srv, s, "abcd", chunk.Options{}, 1, 1)
	s = s.In("stranger")
	must(t, s.Put(t.Context(), "p.part.x", []byte("mine")))
	_, err := s.Create(t.Context(), chunk.Options{Prefix: "p", GoOn: true})
	wantError(t, err, "is no part of a bundle")
}

// A replacement that was cut goes on as well, and the older bundle is whole until then.
func TestGoOnReplacing(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	build(t, s, "abcdef", chunk.Options{})
	cut(t, s, "axyzef", chunk.Options{Force: true, GoOn: true}, 3)
	older, err := s.Load(t.Context(), "p")
	must(t, err)
	must(t, older.Verify(t.Context(), 0, nil))
	older.Close()
	objects, err := s.List(t.Context())
	must(t, err)
	if !slices.ContainsFunc(objects, func(o s3.Object) bool { return strings.HasPrefix(o.Name, ".p.part.") }) {
		t.Error("nothing stayed")
	}
	goOn(t, srv, s, "axyzef", chunk.Options{Force: true}, 5, 6) // a, e, f and two or three of x, y, z
	build(t, s, "b0c0", chunk.Options{Force: true})             // what stayed is none of its
	wantBundle(t, srv, s, "b0c0")
}

// Of two runs that go on with the same, one that ends well has its bundle there.
func TestGoOnTwice(t *testing.T) {
	srv := s3test.Start(t)
	for round := range 4 {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			s := open(t, srv, s3.Options{})
			cut(t, s, "abcd", chunk.Options{GoOn: true}, 2)
			images := []image{"abcd", []image{"abcd", "axcd"}[round%2]}
			errs := make(chan error, 2)
			good := make(chan image, 2)
			for _, im := range images {
				go func() {
					w, err := s.Create(t.Context(), chunk.Options{Prefix: "p", GoOn: true})
					if err == nil {
						err = overlap(t.Context(), w, im, im)
					}
					if err == nil {
						good <- im
					}
					errs <- err
				}()
			}
			one, two := <-errs, <-errs
			t.Log(one, two)
			switch {
			case one == nil && two == nil:
				wantBundle(t, srv, s, images[0])
			case one == nil || two == nil:
				wantBundle(t, srv, s, <-good)
			default:
				_, err := s.Load(t.Context(), "p")
				wantError(t, err, "no bundle")
			}
		})
	}
}
