package ec2

import (
	"bytes"
	"testing"
	"time"
)

// stripes is an image of which the first 512 bytes of each 128 KiB say which one it is.
type stripes struct{}

func (stripes) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	copy(p, stripe(off))
	return len(p), nil
}

func stripe(off int64) []byte { return bytes.Repeat([]byte{byte(off>>17) | 1}, 512) }

// The archive of a large image with many holes is read. It is why archive/tar does not
// read it: that takes 1 MiB of map at most, which is 43,000 holes ("sparse map too
// long", Go 1.26).
func TestManyHoles(t *testing.T) {
	const n = 60000
	src := Source{Image: stripes{}, Size: n << 17}
	for i := range int64(n) {
		src.Data = append(src.Data, Range{i << 17, 512})
	}
	must(t, src.normal())
	var text bytes.Buffer
	must(t, writeTar(t.Context(), &text, "image", time.Unix(1e9, 0), &src, nil))
	got := 0
	must(t, readTar(bytes.NewReader(text.Bytes()), "image", src.Size, func(p []byte, off int64) error {
		if off != int64(got)<<17 || !bytes.Equal(p, stripe(off)) {
			t.Fatalf("%d bytes at %d", len(p), off)
		}
		got++
		return nil
	}))
	if got != n {
		t.Errorf("%d of %d runs of data", got, n)
	}
}
