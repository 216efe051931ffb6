package create

import "testing"

func TestBar(t *testing.T) {
	for _, c := range []struct {
		n, most int64
		want    string
	}{{100, 100, "##########"}, {50, 100, "#####     "}, {1, 1 << 40, "#         "}, {0, 100, "          "}, {0, 0, "          "}, {94, 100, "######### "}} {
		if got := bar(c.n, c.most, 10); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.n, c.most, got, c.want)
		}
	}
}
