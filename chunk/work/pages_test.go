package work_test

import (
	"bytes"
	"testing"

	"purebundle/chunk/work"
)

// What was compacted comes back, from anywhere to anywhere.
func TestPages(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 5*4096 + 7} {
		p := make([]byte, size)
		for _, at := range []int{0, 100, 4096, 3*4096 + 5, 5*4096 + 6} {
			if at < size {
				p[at] = byte(at + 1)
			}
		}
		c := work.Compact(p)
		for _, from := range []int{0, 1, 4095, 4096, 2 * 4096, size - 1} {
			for _, to := range []int{0, 1, 4096, 4097, 3*4096 + 6, size} {
				if from < 0 || from > to || to > size {
					continue
				}
				got := bytes.Repeat([]byte{7}, to-from)
				c.Copy(got, int64(from))
				if !bytes.Equal(got, p[from:to]) {
					t.Errorf("%d bytes: %d to %d are other ones", size, from, to)
				}
			}
		}
	}
}
