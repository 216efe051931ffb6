package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/words"
)

func TestParseSize(t *testing.T) {
	const KiB, MiB, GiB, TiB = int64(1) << 10, int64(1) << 20, int64(1) << 30, int64(1) << 40
	for _, c := range []struct {
		in   string
		want int64
	}{
		{"0", 0}, {"1", 1}, {"4096", 4096}, {"4096B", 4096}, {"10485760", 10 * MiB},
		{"1K", KiB}, {"1k", KiB}, {"1KB", KiB}, {"1KiB", KiB}, {"1kib", KiB},
		{"10M", 10 * MiB}, {"500M", 500 * MiB}, {"2G", 2 * GiB}, {"10GiB", 10 * GiB}, {"10 GiB", 10 * GiB},
		{" 3g ", 3 * GiB}, {"1.5G", 3 * GiB / 2}, {".5M", MiB / 2}, {"2.T", 2 * TiB}, {"64T", 64 * TiB},
		{"0x10", -1}, {"", -1}, {" ", -1}, {"G", -1}, {".", -1}, {"1.2.3", -1}, {"1,5G", -1}, {"10X", -1},
		{"10GiBs", -1}, {"10GB/s", -1}, {"ten", -1}, {"-1", -1}, {"-1G", -1}, {"+1G", -1}, {"1e3", -1},
		{"65T", -1}, {"1P", -1}, {"7E", -1}, {"8E", -1}, {"16E", -1}, {"9223372036854775807", -1},
		{"9223372036854775808", -1}, {"99999999999999999999999999", -1}, {"99999999999999999999999999.5G", -1},
		{"0.3", -1}, {"0.0001K", -1}, {"NaN", -1}, {"Inf", -1}, {"１０M", -1}, {"10M\x00", -1},
	} {
		got, err := ParseSize(c.in)
		if c.want < 0 {
			if err == nil {
				t.Errorf("parseSize(%q) = %d, want an error", c.in, got)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("parseSize(%q) = %d, %v, want %d", c.in, got, err, c.want)
		}
	}
}

// What formatSize writes, parseSize reads, to the tenth.
func TestSizeRoundTrip(t *testing.T) {
	for _, n := range []int64{0, 1, 512, 1024, 10 << 20, 3 << 29, 7 << 40} {
		if got, err := ParseSize(words.Size(n)); err != nil || got != n {
			t.Errorf("parseSize(formatSize(%d)) = %d, %v", n, got, err)
		}
	}
}

func TestSizeFlag(t *testing.T) {
	for in, want := range map[string]string{
		"auto": "auto", "AUTO": "auto", "10G": "10 GiB", "10485760": "10 MiB",
		"0": "more than zero", "x": "not a size", "-5": "negative", "9999P": "too large",
	} {
		if got := setTo(new(Size), in); !strings.Contains(got, want) {
			t.Errorf("--size %s: %q, want %q", in, got, want)
		}
	}
}

// setTo sets a flag, and returns how it is written then, or the error.
func setTo(f pflag.Value, in string) string {
	if err := f.Set(in); err != nil {
		return err.Error()
	}
	return f.String()
}

func TestFreeFlag(t *testing.T) {
	for in, want := range map[string]string{
		"10%": "10%", "0%": "0%", "0": "0%", " 7 % ": "7%", "16M": "16 MiB", "1.5G": "1.5 GiB",
		"%": "not a percentage", "x%": "not a percentage", "-1%": "negative", "10001%": "at most",
		"99999999999999999999%": "at most", "1.5%": "not a percentage", "-1G": "negative",
	} {
		if got := setTo(new(Free), in); !strings.Contains(got, want) {
			t.Errorf("--free %s: %q, want %q", in, got, want)
		}
	}
}
