package walker

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// TestPrivileges has setuid programs, capabilities and devices on a mount that does not honour them, as on somebody's USB stick.
func TestPrivileges(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "stick/", "z")
	diskFS(t, filepath.Join(dir, "stick"))
	at := func(name string) string { return filepath.Join(dir, "stick", name) }
	imgtest.OpenWay(t, dir)
	must(t, os.Chown(at(""), imgtest.User, imgtest.User))
	imgtest.AsUser(t, func() { // what it takes no privilege to make
		makeTree(t, at(""), "suid", "sgid", "able", "shared/", "plain")
		must(t, os.Chmod(at("suid"), 0o755|os.ModeSetuid))
		must(t, os.Chmod(at("sgid"), 0o755|os.ModeSetgid))
		must(t, os.Chmod(at("shared"), 0o775|os.ModeSetgid))
	})
	must(t, xattr.Set(at("able"), "security.capability", capSetuid))
	must(t, xattr.Set(at("able"), "user.x", []byte("kept")))
	must(t, unix.Mknod(at("char"), unix.S_IFCHR|0o644, int(unix.Mkdev(1, 1))))
	must(t, unix.Mknod(at("block"), unix.S_IFBLK|0o644, int(unix.Mkdev(8, 1))))
	must(t, unix.Mknod(at("whiteout"), unix.S_IFCHR|0o644, 0))
	must(t, os.Link(at("suid"), at("suid2")))

	all := map[string]uint32{"suid": unix.S_IFREG | 0o4755, "suid2": unix.S_IFREG | 0o4755, "sgid": unix.S_IFREG | 0o2755, "shared": unix.S_IFDIR | 0o2775,
		"able": unix.S_IFREG | 0o644, "plain": unix.S_IFREG | 0o644, "whiteout": unix.S_IFCHR | 0o644, "char": unix.S_IFCHR | 0o644, "block": unix.S_IFBLK | 0o644}
	tests := []struct {
		name   string
		flags  uintptr
		keep   []string
		suid   bool // kept
		dev    bool
		reason string
	}{
		{"honoured", 0, nil, true, true, "crossed, local disk file system (ext4)"},
		{"nosuid", unix.MS_NOSUID, nil, false, true, "; nosuid: without set-ID bits and capabilities"},
		{"nodev", unix.MS_NODEV, nil, true, false, "; nodev: without device nodes"},
		{"both", unix.MS_NOSUID | unix.MS_NODEV, nil, false, false, "; nosuid, nodev: without set-ID bits, capabilities and device nodes"},
		{"both, but kept", unix.MS_NOSUID | unix.MS_NODEV, []string{"/stick"}, true, true, "crossed, local disk file system (ext4)"},
		{"both, but only the top kept", unix.MS_NOSUID | unix.MS_NODEV, []string{"/"}, false, false, "device nodes"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			must(t, unix.Mount("", at(""), "", unix.MS_REMOUNT|unix.MS_BIND|test.flags, ""))
			res := walkAll(t, dir, Options{KeepPrivileges: test.keep})
			if line := res.mountLines()[1]; !strings.HasSuffix(line, test.reason) {
				t.Errorf("mount: %s", line)
			}
			warnings := make(map[string]int)
			for _, w := range res.Warnings {
				warnings[w.Text] = w.Count
			}
			for name, mode := range all {
				e := res.entries["/stick/"+name]
				if device := name == "char" || name == "block"; device && !test.dev {
					if e != nil {
						t.Errorf("%s is in the tree", name)
					}
					continue
				}
				if mode&unix.S_IFMT == unix.S_IFREG && !test.suid {
					mode &^= 0o6000
				}
				if e == nil || e.Mode != mode {
					t.Errorf("%s: %+v, want the mode %o", name, e, mode)
				}
				if mode&unix.S_IFMT == unix.S_IFREG {
					var st unix.Stat_t
					fd, err := res.Open("/stick/"+name, &st)
					must(t, err)
					unix.Close(fd)
					if st.Mode != mode {
						t.Errorf("%s: opened with the mode %o, want %o", name, st.Mode, mode)
					}
				}
			}
			able := res.entries["/stick/able"].Xattrs
			if want := map[bool]int{true: 2, false: 1}[test.suid]; len(able) != want || able[want-1].Name != "user.x" {
				t.Errorf("attributes: %v", able)
			}
			want := make(map[string]int)
			if !test.suid {
				want[setIDText], want[capText] = 3, 1
			}
			if !test.dev {
				want[deviceText] = 2
			}
			for text, n := range want {
				if warnings[text] != n {
					t.Errorf("%q is counted %d times, want %d", text, warnings[text], n)
				}
			}
			if len(warnings) != len(want) {
				t.Errorf("warnings: %v", warnings)
			}
		})
	}
	_, err := walkErr(t, dir, Options{KeepPrivileges: []string{"/nowhere"}})
	if not := new(NotMountError); !errors.As(err, &not) || !strings.HasPrefix(err.Error(), "keep privileges /nowhere: ") {
		t.Errorf("%v", err)
	}
}
