package volume

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// TestQuestions puts each question to a file system that knows it: if one is not
// known, the next one is asked, so that At alone would not show which is wrong.
func TestQuestions(t *testing.T) {
	imgtest.RequireRoot(t)
	for _, c := range []struct {
		size int64
		mkfs []string
		ask  []question
	}{
		{8 << 20, []string{"mke2fs", "-q", "-F", "-t", "ext4", "-U"}, []question{askAny, askExt}},
		{320 << 20, []string{"mkfs.xfs", "-q", "-m"}, []question{askAny, askXFS}},
		{128 << 20, []string{"mkfs.btrfs", "-q", "-U"}, []question{askBtrfs}},
	} {
		dir := t.TempDir()
		image, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "mnt")
		f, err := os.Create(image)
		if err != nil {
			t.Fatal(err)
		}
		err = f.Truncate(c.size)
		f.Close()
		if err != nil || os.Mkdir(mnt, 0o755) != nil {
			t.Fatal(err)
		}
		want := uuid.New() // mkfs.btrfs refuses one that it has seen
		value := want.String()
		if c.mkfs[0] == "mkfs.xfs" {
			value = "uuid=" + value
		}
		imgtest.Run(t, c.mkfs[0], append(c.mkfs[1:], value, image)...)
		imgtest.Run(t, "mount", "-o", "loop", image, mnt)
		t.Cleanup(func() { imgtest.Unmount(t, mnt) })
		fd, err := unix.Open(mnt, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range c.ask {
			if got, err := q.ask(fd); err != nil || got != [16]byte(want) {
				t.Errorf("%s: %s: %x, %v", c.mkfs[0], q.name, got, err)
			}
		}
		unix.Close(fd)
	}
}
