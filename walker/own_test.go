package walker

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/pkg/xattr"
)

// TestOwn has a mount that the output has as a file system of its own: the directory that it
// lies on is an entry too, with what the disk has of it, and the mount is crossed whatever
// other options say. Both are told in one run, before what is in the mount.
func TestOwn(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "boot/underneath=1", "home/", "z")
	under := filepath.Join(dir, "boot")
	must(t, os.Chmod(under, 0o710))
	must(t, os.Chown(under, 3, 4))
	must(t, xattr.Set(under, "user.where", []byte("under")))
	diskFS(t, under)
	makeTree(t, under, "vmlinuz=1")
	must(t, os.Chmod(under, 0o751))
	diskFS(t, filepath.Join(dir, "home"))
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			var met []Entry
			tree, err := Walk(context.Background(), dir, Options{Own: []string{"/boot"}, OneFileSystem: true, mode: g.mode}, func(e *Entry) error {
				met = append(met, *e.clone())
				return nil
			})
			must(t, err)
			defer tree.Close()
			var paths []string
			for _, e := range met {
				paths = append(paths, e.Path)
			}
			diff(t, "paths", paths, []string{"/", "/boot", "/boot", "/boot/lost+found", "/boot/vmlinuz", "/home", "/z"})
			first, second := met[1], met[2]
			if !first.Under || second.Under || first.Mode&0o777 != 0o710 && g.mode == cloneMode || second.Mode&0o777 != 0o751 {
				t.Errorf("%+v, then %+v", first, second)
			}
			if g.mode == cloneMode && (first.UID != 3 || first.GID != 4 || len(first.Xattrs) != 1 || string(first.Xattrs[0].Value) != "under" || first.Dev != met[0].Dev || first.Dev == second.Dev) {
				t.Errorf("%+v is not what the disk has", first)
			}
			for _, e := range append(met[3:], met[0]) {
				if e.Under {
					t.Errorf("%+v is under a mount", e)
				}
			}
		})
	}
}
