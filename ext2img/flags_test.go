package ext2img_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// flagsOf returns FS_IOC_GETFLAGS of an open file.
func flagsOf(fd int) uint32 {
	flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
	if err != nil {
		return 0
	}
	return flags
}

// TestChattr takes each flag that chattr sets on ext4 through an image.
func TestChattr(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := ext4Dir(t)
	put := map[string]string{}
	for _, flag := range strings.Split("s u c S i a d A t", " ") {
		put["file-"+flag] = flag
	}
	for _, flag := range strings.Split("s u c S i a d A t D T", " ") {
		put["dir-"+flag+"/"] = flag
	}
	for name, flag := range put {
		path := filepath.Join(dir, name)
		var err error
		if strings.HasSuffix(name, "/") {
			err = os.Mkdir(path, 0o755)
		} else {
			err = os.WriteFile(path, []byte(name), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		imgtest.Run(t, "chattr", "+"+flag, path)
		t.Cleanup(func() { imgtest.Run(t, "chattr", "-"+flag, path) })
	}
	p := params()
	p.Flags = flagsOf
	image, report := write(t, layout(t, dir, p))
	if len(report.Warnings) > 0 {
		t.Errorf("warnings %v", report.Warnings)
	}
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	for name, flag := range put {
		want, err := flagsAt(filepath.Join(dir, name))
		got, gotErr := flagsAt(filepath.Join(mnt, name))
		if err := errors.Join(err, gotErr); err != nil {
			t.Fatal(err)
		}
		if want&^0x80000 == 0 {
			t.Errorf("%s: chattr +%s did nothing", name, flag)
		}
		if got != want {
			t.Errorf("%s: flags %#x, want %#x", name, got, want)
		}
	}
}

func flagsAt(path string) (uint32, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return flagsOf(int(f.Fd())), nil
}

// TestChattrDropped counts the flags that an image does not hold.
func TestChattrDropped(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := params()
	p.Flags = func(int) uint32 { return 0x800000 } // C, of btrfs
	image, report := write(t, layout(t, dir, p))
	if len(report.Warnings) != 1 || report.Warnings[0].Path != "/a" || !strings.Contains(report.Warnings[0].Text, "1 more") {
		t.Errorf("warnings %v, want one for two files", report.Warnings)
	}
	imgtest.Fsck(t, image)
}
