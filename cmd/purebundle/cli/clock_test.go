package cli

import (
	"testing"

	"purebundle/ext2img"
)

func TestParseTime(t *testing.T) {
	for _, c := range []struct {
		in   string
		sec  int64
		nsec uint32
		bad  bool
	}{
		{in: "@0"}, {in: "@1700000000", sec: 1700000000}, {in: "@-1", bad: true},
		{in: "2026-01-31", sec: 1769817600}, {in: "2026-01-31T12:00:00Z", sec: 1769860800},
		{in: "2026-01-31T12:00:00+02:00", sec: 1769853600}, {in: "2026-01-31 12:00:00", sec: 1769860800},
		{in: "2026-01-31T12:00:00.25Z", sec: 1769860800, nsec: 250_000_000},
		{in: "1969-12-31T23:59:59.5Z", bad: true},
		{in: "2106-02-07T06:28:15Z", sec: 1<<32 - 1}, {in: "2106-02-07T06:28:16Z", bad: true},
		{in: "", bad: true}, {in: "now", bad: true}, {in: "@", bad: true}, {in: "@1.5", bad: true},
		{in: "@99999999999999999999", bad: true}, {in: "2026-02-30", bad: true}, {in: "1700000000", bad: true},
	} {
		got, err := parseTime(c.in)
		if (err != nil) != c.bad || err == nil && got != (ext2img.Time{Sec: c.sec, Nsec: c.nsec}) {
			t.Errorf("parseTime(%q) = %v, %v", c.in, got, err)
		}
	}
}

func TestSourceDateEpoch(t *testing.T) {
	for _, c := range []struct {
		name, flag, env string
		want            string
		bad             bool
	}{
		{name: "neither"},
		{name: "environment", env: "1700000000", want: "@1700000000"},
		{name: "flag wins", flag: "@5", env: "1700000000", want: "@5"},
		{name: "nonsense", env: "yesterday", bad: true},
		{name: "flag hides nonsense", flag: "@5", env: "yesterday", want: "@5"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(SourceDateEpoch, c.env)
			var clock Clock
			if c.flag != "" {
				if err := clock.Set(c.flag); err != nil {
					t.Fatal(err)
				}
			}
			err := clock.FromEnvironment()
			if (err != nil) != c.bad || err == nil && clock.String() != c.want {
				t.Errorf("%q, %v; want %q", clock.String(), err, c.want)
			}
			if err != nil && Status(err) != StatusUsage {
				t.Errorf("status %d, want %d", Status(err), StatusUsage)
			}
		})
	}
}
