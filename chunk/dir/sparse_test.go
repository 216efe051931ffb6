package dir

import "testing"

// TestSparse: runs of pages at every border are written and found again.
func TestSparse(t *testing.T) {
	const pages = 8
	for mask := range 1 << pages {
		p := make([]byte, pages*page)
		for i := range pages {
			if mask>>i&1 == 1 {
				p[i*page+[]int{0, page - 1, 77}[i%3]] = 1
			}
		}
		var got int
		for at := 0; ; {
			start, end := nextRun(p, at)
			if start == len(p) {
				break
			}
			if start%page != 0 || end%page != 0 || start < at || end <= start {
				t.Fatalf("mask %b: run %d to %d after %d", mask, start, end, at)
			}
			for i := start / page; i < end/page; i++ {
				got |= 1 << i
			}
			at = end
		}
		if got != mask || AllZero(p) != (mask == 0) {
			t.Fatalf("mask %b: found %b", mask, got)
		}
	}
}
