package mounttable

import (
	"bufio"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

func TestParse(t *testing.T) {
	lines, err := Parse("36 35 98:0 /mnt1 /a\\040b rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue\n1 0 8:1 / / rw - none none rw\n")
	if err != nil {
		t.Fatal(err)
	}
	want := mountinfo.Info{ID: 36, Parent: 35, Major: 98, Root: "/mnt1", Mountpoint: "/a b", Options: "rw,noatime", Optional: "master:1 propagate_from:2",
		FSType: "ext3", Source: "/dev/root", VFSOptions: "rw,errors=continue"}
	if len(lines) != 2 || *lines[0] != want {
		t.Errorf("%+v", lines)
	}
	for _, bad := range []string{"\n", "1 2 3:4 / / rw ext4 x rw\n", "1 2 34 / / rw - ext4 x rw\n", "1 2 3:4 / / - ext4 x rw\n",
		"1 2 3:4 / / rw ext4 x rw," + strings.Repeat("x", 100_000) + "\n"} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%.99q: no error", bad)
		}
	}
}

// TestParseLongLines has what the library's scanner refuses or cuts, between lines that are no trouble.
func TestParseLongLines(t *testing.T) {
	const text, want = `2 1 0:%d /r\040%s /p\011%s ro,nosuid shared:1 - overlay a\040b ro,x=\134,%s`, "/r %s|/p\t%s|a b|ro,nosuid|shared:1|ro,x=\\134,%s"
	var table strings.Builder
	var wants []string
	for i, length := range []int{1, maxLine - 99, maxLine, bufio.MaxScanTokenSize - 99, bufio.MaxScanTokenSize - 1, bufio.MaxScanTokenSize, bufio.MaxScanTokenSize + 1, 1 << 20} {
		for _, lengths := range [][3]int{{length, 1, 1}, {1, length, 1}, {1, 1, length}, {length, length, length}} {
			for _, end := range []string{"", "\r"} {
				root, point, options := strings.Repeat("r", lengths[0]), strings.Repeat("p", lengths[1]), strings.Repeat("o", lengths[2])+end
				fmt.Fprintf(&table, text+"\n", i, root, point, options)
				wants = append(wants, fmt.Sprintf(want, root, point, options))
			}
		}
	}
	mounts, err := Parse(table.String())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range mounts {
		got = append(got, strings.Join([]string{m.Root, m.Mountpoint, m.Source, m.Options, m.Optional, m.VFSOptions}, "|"))
	}
	if len(got) == 0 || !slices.Equal(got, wants) {
		t.Errorf("%.999q", got)
	}
}

// TestIDWithoutStatx asks proc, as on kernels whose statx does not know mount IDs.
func TestIDWithoutStatx(t *testing.T) {
	for _, p := range []string{"/", "/proc", "/sys", "/dev"} {
		fd, err := unix.Open(p, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		want, err := ID(fd)
		if err != nil {
			t.Fatal(err)
		}
		got, err := idFromProc(fd)
		unix.Close(fd)
		if got != want || err != nil {
			t.Errorf("%s: %d, %v; statx says %d", p, got, err, want)
		}
	}
}
