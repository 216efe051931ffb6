package words

import (
	"math"
	"testing"
	"time"
)

func TestShellQuote(t *testing.T) {
	for in, want := range map[string]string{
		"/mnt/a-b_c.d": "/mnt/a-b_c.d", "a b": "'a b'", "": "''", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "~": "'~'",
	} {
		if got := Quote(in); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestFormatSize(t *testing.T) {
	for _, c := range []struct {
		in   int64
		want string
	}{
		{0, "0 B"}, {1, "1 B"}, {1023, "1023 B"}, {1024, "1 KiB"}, {1025, "1 KiB"}, {1536, "1.5 KiB"},
		{1<<20 - 1, "1023.9 KiB"}, {1 << 20, "1 MiB"}, {10 << 20, "10 MiB"}, {1<<30 - 1, "1023.9 MiB"},
		{5 << 29, "2.5 GiB"}, {64 << 40, "64 TiB"}, {1 << 60, "1 EiB"}, {math.MaxInt64, "7.9 EiB"},
		{-1, "-1 B"}, {-1536, "-1.5 KiB"}, {math.MinInt64, "-7.9 EiB"},
	} {
		if got := Size(c.in); got != c.want {
			t.Errorf("formatSize(%d) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestFormatCount(t *testing.T) {
	for in, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := Count(in); got != want {
			t.Errorf("formatCount(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for in, want := range map[time.Duration]string{0: "0s", 59 * time.Second: "59s", 60 * time.Second: "1m00s", 187 * time.Second: "3m07s", 2*time.Hour + 5*time.Minute: "2h05m"} {
		if got := Duration(in); got != want {
			t.Errorf("formatDuration(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "日本": "日本", "a\nb": "a; b", "\x1b[31m": `\x1b[31m`, "\xff\xfe": `\xff\xfe`,
		"\uFFFD": "\uFFFD", "tab\t": `tab\x09`, "\u0085": `\xc2\x85`, "\u202egnp.exe": `\xe2\x80\xaegnp.exe`, "del\x7f": `del\x7f`,
	} {
		if got := Printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}
