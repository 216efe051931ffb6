package ext2img_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/imgtest"
)

// ext4Dir gives a directory of an ext4 file system of its own, which gives the
// inode number of a removed file to the next one.
func ext4Dir(t *testing.T) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 256<<20)); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, "mkfs.ext4", "-q", image)
	dir := filepath.Join(imgtest.MountRW(t, image), "tree")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func inoOf(t *testing.T, file string) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(file, &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

// TestLonger gives a file more bytes after the walk, other ones: all of them must
// be in the image, not as many as before.
func TestLonger(t *testing.T) {
	imgtest.RequireRoot(t)
	for name, c := range map[string]struct {
		change func(t *testing.T, file string, content []byte) error
		kind   ext2img.Kind
	}{
		"in place": {func(_ *testing.T, file string, content []byte) error {
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.Write(content)
			return errors.Join(err, f.Close())
		}, ext2img.Rewritten},
		"from the start": {func(_ *testing.T, file string, content []byte) error { return os.WriteFile(file, content, 0o644) }, ext2img.Rewritten},
		"by the second rename": {func(t *testing.T, file string, content []byte) error {
			ino := inoOf(t, file)
			err := errors.Join(os.WriteFile(file+"~", nil, 0o644), os.Rename(file+"~", file),
				os.WriteFile(file+"~", content, 0o644), os.Rename(file+"~", file))
			if now := inoOf(t, file); now != ino {
				t.Fatalf("inode number %d, want %d again", now, ino)
			}
			return err
		}, ext2img.Replaced},
	} {
		for _, size := range []int{1425, 25 << 20} {
			for _, more := range []int{2800, 1 << 20} {
				t.Run(fmt.Sprint(name, " ", size, "+", more), func(t *testing.T) {
					dir := ext4Dir(t)
					file := filepath.Join(dir, "settings")
					if err := os.WriteFile(file, noise(1, size), 0o644); err != nil {
						t.Fatal(err)
					}
					p := params()
					p.Free = 64 << 20
					m := layout(t, dir, p)
					content := noise(2, size+more)
					if err := c.change(t, file, content); err != nil {
						t.Fatal(err)
					}
					image, report := write(t, m)
					if len(report.Changes) != 1 || report.Changes[0].Kind != c.kind {
						t.Errorf("changes %v, want one: %s", report.Changes, c.kind)
					}
					imgtest.Fsck(t, image)
					got, err := os.ReadFile(filepath.Join(imgtest.Mount(t, image), "settings"))
					if err != nil || !bytes.Equal(got, content) {
						t.Errorf("%d bytes, %v; want %d, all of the content", len(got), err, len(content))
					}
				})
			}
		}
	}
}

// TestNoRoom rewrites a file with more bytes than there is room for: that is told, and is no state of it.
func TestNoRoom(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, noise(1, 100_000), 0o644); err != nil {
		t.Fatal(err)
	}
	p := params()
	p.Size = 10 << 20
	m := layout(t, dir, p)
	if err := os.WriteFile(file, noise(2, 20<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	image, report := write(t, m)
	if len(report.Changes) != 1 || report.Changes[0].Kind != ext2img.Unstable {
		t.Errorf("changes %v, want one: unstable", report.Changes)
	}
	imgtest.Fsck(t, image)
}

// TestReplacedAllTheTime replaces files by rename as fast as it goes while they
// are read: each must be one of those that had its name.
func TestReplacedAllTheTime(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := ext4Dir(t)
	content := func(gen int) []byte { return noise(int64(gen), 1000+gen*7919%30_000) }
	replace := func(file string, gen int) error {
		return errors.Join(os.WriteFile(file+"~", content(gen), 0o644), os.Rename(file+"~", file))
	}
	const files, generations = 10, 200
	for i := range files {
		if err := replace(filepath.Join(dir, fmt.Sprint(i)), 0); err != nil {
			t.Fatal(err)
		}
	}
	p := params()
	p.Free = 64 << 20
	m := layout(t, dir, p)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for gen := 1; ; gen++ {
			for i := range files {
				select {
				case <-stop:
					return
				default:
				}
				if err := replace(filepath.Join(dir, fmt.Sprint(i)), gen%generations); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	image, report := write(t, m)
	close(stop)
	writer.Wait()
	for _, c := range report.Changes {
		if c.Kind.Lost() {
			t.Errorf("%s: %s %s", c.Path, c.Kind, c.Detail)
		}
	}
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	for i := range files {
		got, err := os.ReadFile(filepath.Join(mnt, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		is := false
		for gen := range generations {
			is = is || bytes.Equal(got, content(gen))
		}
		if !is {
			t.Errorf("%d: %d bytes that are no state of the file", i, len(got))
		}
	}
}
