package ext2img_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pkg/xattr"

	"purebundle/ext2img"
	"purebundle/ext2img/imgtest"
)

// attributesOf returns Params.Xattrs for the tree at dir.
func attributesOf(dir string) func(path string, fd int) ([]ext2img.Xattr, error) {
	return func(_ string, fd int) (list []ext2img.Xattr, err error) {
		self := fmt.Sprintf("/proc/self/fd/%d", fd)
		names, err := xattr.List(self)
		for _, name := range names {
			value, e := xattr.Get(self, name)
			list, err = append(list, ext2img.Xattr{Name: name, Value: value}), errors.Join(err, e)
		}
		return list, err
	}
}

// TestAttributesOfWhatIsRead replaces a file that has a capability after the walk: the other file must not get it, nor lose its own attributes.
func TestAttributesOfWhatIsRead(t *testing.T) {
	imgtest.RequireRoot(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	capable := []byte{1, 0, 0, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	long := bytes.Repeat([]byte("long"), 250) // for a block of its own
	for _, size := range []int{10_000, 25 << 20} {
		for name, own := range map[string]map[string][]byte{
			"none":              nil,
			"in the inode":      {"user.own": []byte("x")},
			"in a block":        {"user.own": long},
			"as another file's": {"user.shared": long},
			"too many":          {"user.own": long, "user.more": long, "user.again": []byte("x")},
		} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				dir := t.TempDir()
				file := filepath.Join(dir, "program")
				must(os.WriteFile(file, noise(1, size), 0o755))
				must(xattr.Set(file, "security.capability", capable))
				must(xattr.Set(file, "user.theirs", long))
				must(os.WriteFile(filepath.Join(dir, "shares"), noise(1, 100), 0o755))
				must(xattr.Set(filepath.Join(dir, "shares"), "user.shared", long))
				p := params()
				p.Free, p.Xattrs = 64<<20, attributesOf(dir)
				m := layout(t, dir, p)

				must(os.WriteFile(file+"~", noise(2, size), 0o777))
				for name, value := range own {
					must(xattr.Set(file+"~", name, value))
				}
				must(os.Chown(file+"~", 65534, 65534))
				must(os.Rename(file+"~", file))
				image, _ := write(t, m)
				imgtest.Fsck(t, image)
				mnt := imgtest.Mount(t, image)
				got := make(map[string][]byte)
				names, err := xattr.List(filepath.Join(mnt, "program"))
				must(err)
				for _, name := range names {
					got[name], err = xattr.Get(filepath.Join(mnt, "program"), name)
					must(err)
				}
				for name, value := range own {
					if !bytes.Equal(got[name], value) {
						t.Errorf("%s: %d bytes, want %d", name, len(got[name]), len(value))
					}
				}
				if len(got) != len(own) {
					t.Errorf("attributes %d, want %d: %q", len(got), len(own), names)
				}
				if v, err := xattr.Get(filepath.Join(mnt, "shares"), "user.shared"); err != nil || !bytes.Equal(v, long) {
					t.Errorf("the other file's attribute: %d bytes, %v", len(v), err)
				}
			})
		}
	}
}
