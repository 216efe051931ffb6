package ext2img_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/imgtest"
)

// TestUnfit adds entries that ext4 cannot hold: each is left out with all below
// it and reported, and the others are in the image.
func TestUnfit(t *testing.T) {
	imgtest.RequireRoot(t)
	file := ext2img.File{Mode: 0o100644, Nlink: 1}
	dir := ext2img.File{Mode: 0o40755}
	long := strings.Repeat("n", 256)
	huge := ext2img.File{Mode: 0o100644, Nlink: 2, Ino: 7, Size: 16 << 40, Data: []ext2img.Range{}}
	shared := ext2img.File{Mode: 0o100644, Nlink: 3, Ino: 8}
	for _, c := range []struct {
		name string
		add  []entry
		link map[int]bool // which of them come with Link
		fit  []string     // that are in the image
		want []string     // paths that are unfit
		why  string
	}{
		{"a long name", []entry{{"/" + long, file}, {"/z", file}}, nil, []string{"z"}, []string{"/" + long}, "256 bytes is longer than the 255"},
		{"below a long name", []entry{{"/" + long, dir}, {"/" + long + "/a", dir}, {"/" + long + "/a/b", file}, {"/z", file}}, nil, []string{"z"}, []string{"/" + long}, ""},
		{"the first of three names is long", []entry{{"/" + long, shared}, {"/y", shared}, {"/z", shared}}, map[int]bool{1: true, 2: true}, []string{"y", "z"}, []string{"/" + long}, ""},
		{"an empty target", []entry{{"/a", ext2img.File{Mode: 0o120777}}, {"/z", file}}, nil, []string{"z"}, []string{"/a"}, "its target has 0 bytes"},
		{"a target with NUL", []entry{{"/a", ext2img.File{Mode: 0o120777, Target: "x\x00y"}}, {"/z", file}}, nil, []string{"z"}, []string{"/a"}, "NUL"},
		{"a huge file with two names", []entry{{"/a", huge}, {"/b", huge}, {"/z", file}}, map[int]bool{1: true}, []string{"z"}, []string{"/a", "/b"}, "more than an ext4 file holds"},
		{"a negative size", []entry{{"/a", ext2img.File{Mode: 0o100644, Size: -1}}, {"/z", file}}, nil, []string{"z"}, []string{"/a"}, ""},
		{"a large device number", []entry{{"/a", ext2img.File{Mode: 0o20644, Major: 1 << 12}}, {"/z", file}}, nil, []string{"z"}, []string{"/a"}, "12 and 20 bits"},
		{"a lost+found that is none", []entry{{"/lost+found", ext2img.File{Mode: 0o120777}}, {"/z", file}}, nil, []string{"z"}, []string{"/lost+found"}, "its target has 0 bytes"},
		{"no type", []entry{{"/a", ext2img.File{Mode: 0o644}}, {"/z", file}}, nil, []string{"z"}, []string{"/a"}, "no file type"},
		{"equal names", []entry{{"/a", file}, {"/a", file}, {"/d", dir}, {"/d/x", file}, {"/d", dir}, {"/d/x", file}, {"/d/y", file}, {"/z", file}}, nil, []string{"a", "d/x", "z"}, nil, ""},
		{"names out of order", []entry{{"/b", file}, {"/a", file}, {"/z", file}}, nil, []string{"b", "z"}, []string{"/a"}, "not in byte order"},
		{"a directory that is complete", []entry{{"/a", dir}, {"/a/x", file}, {"/b", file}, {"/a/y", file}, {"/z", file}}, nil, []string{"a/x", "b", "z"}, []string{"/a/y"}, "or is complete"},
		{"names that are none", []entry{{"/a//", file}, {"/b/..", file}, {"c", file}, {"/d\x00", file}, {"/z", file}}, nil, []string{"z"}, []string{"/a//", "/b/..", "c", "/d\x00"}, ""},
		{"a path of more than 64 KiB", append(nested(300), entry{"/z", file}), nil, []string{"z"}, []string{nested(300)[256].path}, "longer than 65536"},
		{"flags on a device, an attribute twice", []entry{{"/a", ext2img.File{Mode: 0o20644, Flags: 0x30, Xattrs: []ext2img.Xattr{{Name: "trusted.a", Value: []byte("1")}, {Name: "trusted.a", Value: make([]byte, 3000)}}}}, {"/z", file}}, nil, []string{"a", "z"}, nil, ""},
		{"nanoseconds beyond a second", []entry{{"/z", ext2img.File{Mode: 0o100644, Mtime: ext2img.Time{Nsec: 4e9}}}}, nil, []string{"z"}, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := ext2img.NewBuilder(params())
			err := b.Add("/", dir)
			for i, e := range c.add {
				if c.link[i] {
					err = errors.Join(err, b.Link(e.path, e.file))
				} else {
					err = errors.Join(err, b.Add(e.path, e.file))
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			m, err := b.Layout(opener(t.TempDir()))
			if err != nil {
				t.Fatal(err)
			}
			image, report := write(t, m)
			imgtest.Fsck(t, image)
			deepCheck(t, image)
			var unfit []string
			for _, change := range report.Changes {
				if change.Kind != ext2img.Unfit || !strings.Contains(change.Detail, c.why) {
					t.Errorf("%.50s: %s (%s), want unfit (%s)", change.Path, change.Kind, change.Detail, c.why)
				}
				unfit = append(unfit, change.Path)
			}
			if want := len(c.want); len(unfit) != want || report.Lost() != want {
				t.Errorf("unfit %.200q, want %.200q", unfit, c.want)
			}
			mnt := imgtest.Mount(t, image)
			for _, name := range c.fit {
				if _, err := os.Lstat(filepath.Join(mnt, name)); err != nil {
					t.Error(err)
				}
			}
			names, err := os.ReadDir(mnt)
			tops := map[string]bool{"lost+found": true}
			for _, name := range c.fit {
				top, _, _ := strings.Cut(name, "/")
				tops[top] = true
			}
			if c.name == "a path of more than 64 KiB" {
				return // its upper directories are there
			}
			if err != nil || len(names) != len(tops) {
				t.Errorf("%d names, %v; want %d", len(names), err, len(tops))
			}
		})
	}
}

// nested returns a chain of directories with names of 255 bytes.
func nested(depth int) (list []entry) {
	path := ""
	for range depth {
		path += "/" + strings.Repeat("d", 255)
		list = append(list, entry{path, ext2img.File{Mode: 0o40755}})
	}
	return list
}

// TestManyUnfit names no more than 10,000 entries of one kind, and counts all.
func TestManyUnfit(t *testing.T) {
	b := ext2img.NewBuilder(params())
	err := b.Add("/", ext2img.File{Mode: 0o40755})
	for i := range 12_000 {
		err = errors.Join(err, b.Add(fmt.Sprintf("/%05d", i), ext2img.File{Mode: 0o120777}))
	}
	if err != nil {
		t.Fatal(err)
	}
	m, err := b.Layout(func(string, *unix.Stat_t) (int, error) { return -1, unix.ENOENT })
	if err != nil {
		t.Fatal(err)
	}
	_, report := write(t, m)
	if len(report.Changes) != 10_000 || report.More[ext2img.Unfit] != 2000 || report.Lost() != 12_000 {
		t.Errorf("%d changes, %v more, %d lost", len(report.Changes), report.More, report.Lost())
	}
}

// TestNoRoot wants errors about the tree as a whole.
func TestNoRoot(t *testing.T) {
	b := ext2img.NewBuilder(params())
	if b.Add("/a", ext2img.File{Mode: 0o100644}) == nil || b.Link("/a", ext2img.File{Mode: 0o100644}) == nil {
		t.Error("added below no root")
	}
	if b.Add("/", ext2img.File{Mode: 0o100644}) == nil {
		t.Error("a file is the root")
	}
	if b.Add("/", ext2img.File{Mode: 0o40755}) != nil || b.Add("/", ext2img.File{Mode: 0o40755}) == nil {
		t.Error("two roots")
	}
}
