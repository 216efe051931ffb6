package create

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

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
		text := proposal(rooms(mounts, stat), c.need, c.flags)
		if !strings.HasSuffix(text, c.want) || strings.Count(text, "purebundle bundle") != 1 {
			t.Errorf("%d GiB: %s", c.need>>30, text)
		}
	}
	if strings.Contains(asked, "nfs") || strings.Contains(asked, "run") || strings.Contains(asked, "proc") {
		t.Errorf("asked about %s", asked)
	}
	if text := proposal([]room{{dir: "/x", free: 1 << 30, full: true}}, 1<<20, ""); !strings.HasSuffix(text, "  purebundle bundle --force / /x\n") {
		t.Error(text)
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
