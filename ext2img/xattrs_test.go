package ext2img_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/imgtest"
)

// sameXattrs compares the attributes of every name in two directories, as the
// kernel shows them, and returns how many it compared.
func sameXattrs(t *testing.T, wantDir, gotDir string) (compared int) {
	t.Helper()
	names, err := os.ReadDir(wantDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		list, err := xattr.LList(filepath.Join(wantDir, name.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, attr := range list {
			want, err1 := xattr.LGet(filepath.Join(wantDir, name.Name()), attr)
			got, err2 := xattr.LGet(filepath.Join(gotDir, name.Name()), attr)
			if err := errors.Join(err1, err2); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %.40q has %d bytes, want %d: %v", name.Name(), attr, len(got), len(want), err)
			}
			compared++
		}
	}
	return compared
}

// TestXattrsOfExt4 takes files whose attributes fill inode and block of a real
// ext4 to the last byte that it gives: whatever it holds, the image holds.
func TestXattrsOfExt4(t *testing.T) {
	imgtest.RequireRoot(t)
	source := filepath.Join(t.TempDir(), "source")
	imgtest.Run(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", source, "64M")
	dir := imgtest.MountRW(t, source)
	d := imgtest.OpenDir(t, dir)
	defer d.Close()
	r := rand.New(rand.NewPCG(21, 1))
	value := func(n int) []byte { return noise(r.Int64(), n) }

	// Only the 68 bytes in the inode leave room for the others: first fit takes the 20 there.
	d.File("story", nil)
	d.Xattr("story", "user.b", value(68))
	d.Xattr("story", "user.c", value(4000))
	d.Xattr("story", "user.a", value(20))
	letters := append(strings.Split("abcdefghijklmnopqrstuvwxyz", ""), "\xe9", "é", "\xff") // names of bytes over 0x7F have hashes of their own
	full := 0
	for i := range 300 {
		name := fmt.Sprintf("f%03d", i)
		d.File(name, nil)
		for tries := 0; tries < 40; tries++ {
			size := r.IntN(70)
			if r.IntN(6) == 0 {
				size = r.IntN(4060)
			}
			space := []string{"user.", "trusted.", "security."}[r.IntN(3)]
			err := xattr.LSet(filepath.Join(dir, name), space+strings.Repeat(letters[tries%len(letters)], 1+r.IntN(12)), value(size))
			if errors.Is(err, unix.ENOSPC) {
				full++
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	if full < 1000 {
		t.Fatalf("%d attributes were refused: the files are not full", full)
	}
	p := params()
	m := layout(t, dir, p)
	image, report := write(t, m)
	imgtest.Fsck(t, image)
	if n := sameXattrs(t, dir, imgtest.Mount(t, image)); n < 1000 {
		t.Errorf("%d attributes compared", n)
	}
	for _, w := range report.Warnings {
		t.Errorf("%s: %s", w.Path, w.Text)
	}
}

// TestXattrsThatMatter gives a file more than an ext4 holds: what a program may
// do, and who may do it, stays, and users' attributes go.
func TestXattrsThatMatter(t *testing.T) {
	imgtest.RequireRoot(t)
	none := uint32(imgtest.ACLUndefined)
	acl := imgtest.ACL(imgtest.ACLEntry{Tag: 1, Perm: 6, ID: none}, imgtest.ACLEntry{Tag: 2, Perm: 4, ID: 1000}, imgtest.ACLEntry{Tag: 4, Perm: 4, ID: none},
		imgtest.ACLEntry{Tag: 16, Perm: 4, ID: none}, imgtest.ACLEntry{Tag: 32, ID: none})
	vital := []ext2img.Xattr{
		{Name: "security.capability", Value: imgtest.Capability(1 << 10)},
		{Name: "security.selinux", Value: []byte("system_u:object_r:ping_exec_t:s0\x00")},
		{Name: "system.posix_acl_access", Value: acl},
	}
	for name, users := range map[string][]int{ // sizes of values, in bytes
		"one that fills the block":    {4040},
		"one for the inode, one more": {60, 4036},
		"many small ones":             {30, 30, 30, 30, 30, 30, 1000, 1000, 1000, 900},
	} {
		t.Run(name, func(t *testing.T) {
			f := ext2img.File{Mode: 0o100755, Nlink: 1}
			for i, size := range users {
				f.Xattrs = append(f.Xattrs, ext2img.Xattr{Name: fmt.Sprintf("user.%d", i), Value: make([]byte, size)})
			}
			f.Xattrs = append(f.Xattrs, vital...)
			b := ext2img.NewBuilder(params())
			if err := errors.Join(b.Add("/", ext2img.File{Mode: 0o40755}), b.Add("/ping", f)); err != nil {
				t.Fatal(err)
			}
			m, err := b.Layout(opener(t.TempDir()))
			if err != nil {
				t.Fatal(err)
			}
			image, report := write(t, m)
			imgtest.Fsck(t, image)
			ping := filepath.Join(imgtest.Mount(t, image), "ping")
			for _, x := range vital {
				if got, err := xattr.LGet(ping, x.Name); err != nil || !bytes.Equal(got, x.Value) {
					t.Errorf("%s: %x, %v; want %x", x.Name, got, err, x.Value)
				}
			}
			list, err := xattr.LList(ping)
			if dropped := len(f.Xattrs) - len(list); err != nil || dropped < 1 || len(report.Warnings) == 0 {
				t.Errorf("%d attributes dropped, %v; warnings %v", dropped, err, report.Warnings)
			}
		})
	}
}
