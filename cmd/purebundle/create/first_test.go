package create

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/walker"
)

// DEST is proposed where there is room, on another disk than root's if there is one.
func TestProposal(t *testing.T) {
	mounts := []walker.Mount{
		{Path: "/", FSType: "ext4", Action: walker.Crossed}, {Path: "/proc", FSType: "proc", Action: walker.Refused},
		{Path: "/run", FSType: "tmpfs", Action: walker.LeftOut}, {Path: "/nfs", FSType: "nfs4", Action: walker.LeftOut},
		{Path: "/small", FSType: "xfs", Action: walker.Crossed}, {Path: "/mnt/big disk", FSType: "ext4", Action: walker.LeftOut},
		{Path: "/shared", FSType: "ext4", Action: walker.Crossed},
	}
	free := map[string]int64{"/": 50 << 30, "/small": 1 << 30, "/mnt/big disk": 20 << 30}
	asked := ""
	stat := func(point string) (int64, bool) {
		asked += point + " "
		n, ok := free[point]
		return n, ok
	}
	for _, c := range []struct {
		need  int64
		flags string
		want  string
	}{
		{10 << 30, "", "  purebundle bundle / '/mnt/big disk/purebundle'\n"},
		{10 << 30, " --disk", "  purebundle bundle --disk / '/mnt/big disk/purebundle'\n"},
		{19 << 30, "", "  purebundle bundle / /var/lib/purebundle\n"}, // a tenth more than is needed
		{60 << 30, "", "  purebundle bundle / s3://BUCKET/DIR\n"},
	} {
		text := proposal(rooms(mounts, stat), needed{bytes: c.need}, c.flags)
		if !strings.HasSuffix(text, c.want) || strings.Count(text, "purebundle bundle") != 1 {
			t.Errorf("%d GiB: %s", c.need>>30, text)
		}
	}
	if strings.Contains(asked, "nfs") || strings.Contains(asked, "run") || strings.Contains(asked, "proc") {
		t.Errorf("asked about %s", asked)
	}
	if text := proposal(rooms(mounts, stat), needed{60 << 30, true}, " --disk"); !strings.HasSuffix(text, "  purebundle bundle --dry-run --disk /\n") || !strings.Contains(text, " may not be enough.") {
		t.Error(text)
	}
	if text := proposal([]room{{dir: "/x", free: 1 << 30, full: true}}, needed{1 << 20, true}, ""); !strings.HasSuffix(text, "  purebundle bundle --force / /x\n") {
		t.Error(text)
	}
}

// A walk that takes too long ends, and what the file systems have in use says the size.
func TestFirstLookIsShort(t *testing.T) {
	mounts := []walker.Mount{
		{Path: "/", Major: 8, Minor: 1, Action: walker.Crossed}, {Path: "/boot", Major: 8, Minor: 2, Action: walker.Crossed},
		{Path: "/srv/again", Major: 8, Minor: 1, Action: walker.Crossed}, {Path: "/mnt", Major: 8, Minor: 3, Action: walker.LeftOut},
	}
	bytes, rows := inUse(mounts, func(point string) int64 { return map[string]int64{"/": 3 << 30, "/boot": 1 << 30}[point] })
	if want := "about 4 GiB at most, which is in use on /, /boot"; bytes != 4<<30 || rows[0][1] != want {
		t.Errorf("%d bytes, %s; want %s", bytes, rows[0][1], want)
	}

	source := t.TempDir()
	opt, err := NewFlags().Options(source, "")
	if err == nil {
		err = os.WriteFile(filepath.Join(source, "file"), nil, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	first := func(ctx context.Context, atMost time.Duration) (string, error) {
		if opt.Mounts, err = walker.NewPlan(source, opt.Walk); err != nil {
			t.Fatal(err)
		}
		defer opt.Mounts.Close()
		var out strings.Builder
		a := cli.NewApp(nil, strings.NewReader(""), &out, io.Discard)
		err := (&Run{App: a, Opt: opt, UI: a.Show(progress.None)}).First(ctx, atMost, " --label=x")
		return out.String(), err
	}
	said, err := first(t.Context(), time.Nanosecond)
	for _, want := range []string{source + ": at least ", " counted for ", "--dry-run /\" counts all", " is in use on /\n", " --label=x /"} {
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("%v, no %q in\n%s", err, want, said)
		}
	}
	if said, err = first(t.Context(), time.Hour); err != nil || !strings.Contains(said, ": 2 entries, ") || strings.Contains(said, "at least") {
		t.Errorf("%v, with time enough:\n%s", err, said)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if said, err = first(stopped, time.Hour); !errors.Is(err, context.Canceled) || said != "" {
		t.Errorf("stopped: %v\n%s", err, said)
	}
}

// The command that is proposed has the flags that were given.
func TestAgain(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "--json": "", "-x -e a* -e b": " --exclude='a*' --exclude=b --one-file-system",
		"--disk": " --disk", "--disk=fresh": " --disk=fresh",
	} {
		cmd := &cobra.Command{Use: "x"}
		f := cmd.Flags()
		f.StringArrayP("exclude", "e", nil, "")
		f.Bool("json", false, "")
		f.BoolP("one-file-system", "x", false, "")
		f.String("disk", "no", "")
		f.Lookup("disk").NoOptDefVal = "auto"
		if err := cmd.ParseFlags(strings.Fields(in)); err != nil {
			t.Fatal(err)
		}
		if got := again(cmd); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
