package volume_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"purebundle/ext2img/imgtest"
	"purebundle/walker/volume"
)

const someUUID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"

// mkfs makes an image with e2fsprogs, which knows best where the names are.
func mkfs(t *testing.T, args ...string) string {
	t.Helper()
	imgtest.NeedTool(t, "mke2fs")
	image := filepath.Join(t.TempDir(), "image")
	imgtest.Run(t, "mke2fs", append(append([]string{"-q", "-F", "-U", someUUID}, args...), image, "8M")...)
	return image
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		args  []string
		label string
	}{
		"ext2":         {[]string{"-t", "ext2", "-L", "old"}, "old"},
		"ext4":         {[]string{"-t", "ext4", "-L", "new"}, "new"},
		"no label":     {[]string{"-t", "ext4"}, ""},
		"all 16 bytes": {[]string{"-t", "ext4", "-L", "sixteen-letters!"}, "sixteen-letters!"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := os.Open(mkfs(t, c.args...))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			id, err := volume.Identify(f, 8<<20)
			if err != nil || id.Label != c.label || id.UUID != someUUID {
				t.Errorf("%+v, %v", id, err)
			}
		})
	}
}

func TestReadNone(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "short": strings.Repeat("x", 1100), "zeros": strings.Repeat("\x00", 4096)} {
		if _, err := volume.Identify(strings.NewReader(text), int64(len(text))); !errors.Is(err, volume.ErrNone) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Only a root directory has the identity of its file system.
func TestAt(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := imgtest.MountRW(t, mkfs(t, "-t", "ext4", "-L", "here"))
	id, err := volume.At(dir)
	if err != nil || id.Label != "here" || uuid.UUID(id.UUID).String() != someUUID {
		t.Errorf("%+v, %v", id, err)
	}
	below := filepath.Join(dir, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, none := range []string{below, imgtest.Tmpfs(t, 1<<20)} {
		if id, err := volume.At(none); !errors.Is(err, volume.ErrNone) {
			t.Errorf("%s: %+v, %v", none, id, err)
		}
	}
	if _, err := volume.At(filepath.Join(dir, "nowhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nowhere: %v", err)
	}
}

// TestAtKinds asks about a file system of each kind as root and as an ordinary user,
// who cannot open its device; mkfs says what is right.
func TestAtKinds(t *testing.T) {
	imgtest.RequireRoot(t)
	for name, c := range map[string]struct {
		size int64
		mkfs []string
	}{
		"ext2":  {8 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext2", "-L", "of mine", "-U"}},
		"ext4":  {8 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext4", "-L", "of mine", "-U"}},
		"xfs":   {320 << 20, []string{"mkfs.xfs", "-q", "-L", "of mine", "-m"}},
		"btrfs": {128 << 20, []string{"mkfs.btrfs", "-q", "-L", "of mine", "-U"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			image, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "a mount point")
			if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, c.size), os.Mkdir(mnt, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
				t.Fatal(err)
			}
			want := uuid.New().String() // mkfs.btrfs refuses one that it has seen
			value := want
			if name == "xfs" {
				value = "uuid=" + want
			}
			imgtest.Run(t, c.mkfs[0], append(c.mkfs[1:], value, image)...)
			imgtest.Run(t, "mount", "-o", "loop", image, mnt)
			t.Cleanup(func() { imgtest.Unmount(t, mnt) })
			if err := errors.Join(os.Chmod(mnt, 0o755), os.Mkdir(filepath.Join(mnt, "below"), 0o755), os.Mkdir(filepath.Join(dir, "bind"), 0o755)); err != nil {
				t.Fatal(err)
			}
			imgtest.Run(t, "mount", "--bind", filepath.Join(mnt, "below"), filepath.Join(dir, "bind"))
			t.Cleanup(func() { imgtest.Unmount(t, filepath.Join(dir, "bind")) })
			for who, as := range map[string]func(func()){"root": func(f func()) { f() }, "nobody": func(f func()) { imgtest.AsUser(t, f) }} {
				as(func() {
					id, err := volume.At(mnt)
					if err != nil || uuid.UUID(id.UUID).String() != want || id.Label != "of mine" {
						t.Errorf("%s: %q, %v, %v", who, id.Label, uuid.UUID(id.UUID), err)
					}
					for _, none := range []string{filepath.Join(mnt, "below"), filepath.Join(dir, "bind")} {
						if id, err := volume.At(none); !errors.Is(err, volume.ErrNone) {
							t.Errorf("%s: %s: %+v, %v", who, none, id, err)
						}
					}
				})
			}
		})
	}
}
