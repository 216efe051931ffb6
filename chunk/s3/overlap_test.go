package s3_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// slowImage is an image whose parts take a time to be read.
type slowImage struct {
	image
	pause time.Duration
}

func (im slowImage) ReadAt(p []byte, off int64) (int, error) {
	time.Sleep(im.pause)
	return im.image.ReadAt(p, off)
}

// overlap makes a bundle with w, one part after the other.
func overlap(ctx context.Context, w *chunk.Writer, im image, img io.ReaderAt) error {
	err := w.Preflight(len(im), im.size())
	data, zero := im.split()
	for _, i := range data {
		if err == nil {
			err = w.Write(ctx, img, []int{i}, nil)
		}
		if err == nil && i == data[0] {
			err = w.WriteZero(ctx, zero, nil)
		}
	}
	if err == nil {
		err = w.Commit(ctx, testManifest())
	}
	if err != nil {
		return errors.Join(err, w.Abort())
	}
	return nil
}

// Of two runs that make a bundle of one name at the same time, one that ends well
// has its bundle there, whatever the other one does; and of one that does not,
// nothing is there.
func TestOverlaps(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	rng := rand.New(rand.NewPCG(3, 4))
	good := 0
	for round := range 24 {
		pair := []struct {
			im     image
			err    error
			pauses time.Duration
			ends   time.Duration // it is stopped then; 0: never
		}{{im: "a00b"}, {im: "a00c"}}
		if round%2 == 1 {
			pair[1].im = pair[0].im // the same machine, twice
		}
		var writers []*chunk.Writer
		for i := range pair {
			pair[i].pauses = time.Duration(rng.Int64N(int64(60 * time.Millisecond)))
			if round%3 == 2 && i == 1 {
				pair[i].ends = time.Duration(1 + rng.Int64N(int64(400*time.Millisecond)))
			}
			w, err := openAt(t, s.Location().Bucket, s.Location().Dir, s3.Options{}).Create(t.Context(), chunk.Options{Prefix: "p"})
			must(t, err)
			writers = append(writers, w)
		}
		var wg sync.WaitGroup
		for i := range pair {
			wg.Go(func() {
				ctx := t.Context()
				if pair[i].ends > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, pair[i].ends)
					defer cancel()
				}
				pair[i].err = overlap(ctx, writers[i], pair[i].im, slowImage{pair[i].im, pair[i].pauses})
			})
		}
		wg.Wait()
		if pair[0].err != nil && pair[1].err != nil {
			wantNames(t, s)
			continue
		}
		good++
		b, err := s.Load(t.Context(), "p")
		if err == nil {
			err = b.Verify(t.Context(), 0, nil)
			b.Close()
		}
		if err != nil {
			t.Errorf("round %d: one run ended well (%v, %v), and the bundle: %v", round, pair[0].err, pair[1].err, err)
			must(t, s.Delete(t.Context(), "p"))
			continue
		}
		must(t, s.Delete(t.Context(), "p"))
		wantNames(t, s)
	}
	if good == 0 {
		t.Error("no run ended well")
	}
	t.Logf("%d of 24 ended well", good)
}
