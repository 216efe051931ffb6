package volume_test

import (
	"bytes"
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
			id, err := volume.Read(f)
			if err != nil || id.Label != c.label || uuid.UUID(id.UUID).String() != someUUID {
				t.Errorf("%q, %v, %v", id.Label, uuid.UUID(id.UUID), err)
			}
		})
	}
}

func TestReadNone(t *testing.T) {
	for name, text := range map[string]string{"nothing": "", "short": strings.Repeat("x", 1100), "zeros": strings.Repeat("\x00", 4096)} {
		if _, err := volume.Read(bytes.NewReader([]byte(text))); !errors.Is(err, volume.ErrNone) {
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
