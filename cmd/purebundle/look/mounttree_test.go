package look

import (
	"strings"
	"testing"

	"purebundle/walker"
)

// A tree is drawn by the paths, whatever order the mounts come in, and fits.
func TestMountTree(t *testing.T) {
	mounts := []walker.Mount{
		{Path: "/", FSType: "ext4", Action: walker.Crossed, Reason: "the source lies on it"},
		{Path: "/proc", FSType: "proc", Action: walker.Refused, Reason: "proc file system"},
		{Path: "/var/named/chroot/proc", FSType: "proc", Action: walker.Refused, Reason: "a bind of proc"},
		{Path: "/run", FSType: "tmpfs", Action: walker.LeftOut, Reason: "file system in memory (tmpfs)"},
		{Path: "/runner", FSType: "xfs", Action: walker.Crossed, Reason: "local disk"},
		{Path: "/run/lock", FSType: "tmpfs", Action: walker.LeftOut, Reason: "file system in memory (tmpfs)"},
		{Path: "/var", FSType: "ext4", Action: walker.Crossed, Reason: "local disk"},
	}
	want := `/ (ext4) crossed: the source
│ lies on it
├─ proc (proc) refused: proc
│    file system
├─ run (tmpfs) left out: file
│  │ system in memory (tmpfs)
│  └─ lock (tmpfs) left out:
│       file system in memory
│       (tmpfs)
├─ runner (xfs) crossed: local
│    disk
└─ var (ext4) crossed: local
   │ disk
   └─ named/chroot/proc (proc)
        refused: a bind of proc
`
	var b strings.Builder
	if err := mountTree(mounts).write(&b, 32, "", "", ""); err != nil {
		t.Fatal(err)
	}
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}
