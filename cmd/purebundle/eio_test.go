package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// TestReadError bundles a file system whose device fails under one file: the
// bytes of a loop device's backing file are cut off, and what is read there is
// EIO.
func TestReadError(t *testing.T) {
	imgtest.RequireRoot(t)
	imgtest.NeedTool(t, "mke2fs")
	imgtest.NeedTool(t, "debugfs")
	for _, size := range []int{100_000, 25 << 20} { // within one part, over three
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			work := t.TempDir()
			device := filepath.Join(work, "device")
			imgtest.Run(t, "mke2fs", "-q", "-t", "ext4", "-b", "4096", "-O", "^has_journal", device, "64m")
			src := imgtest.MountRW(t, device)
			good, bad := bytes.Repeat([]byte("good"), 5000), bytes.Repeat([]byte("bad!"), size/4)
			for _, f := range []struct {
				name string
				data []byte
			}{{"a", good}, {"bad", bad}, {"c", good}} {
				if err := os.WriteFile(filepath.Join(src, f.name), f.data, 0o644); err != nil {
					t.Fatal(err)
				}
				unix.Sync() // allocates in this order
			}
			cutUnder(t, device, filepath.Join(src, "bad"))

			out, image := filepath.Join(work, "out"), filepath.Join(work, "image")
			code, _, stderr := call("bundle", "--progress", "plain", src, out)
			if code != cli.StatusIncomplete || !strings.Contains(stderr, "/bad: unreadable") || !strings.Contains(stderr, "input/output error") {
				t.Fatalf("status %d, want %d and /bad named:\n%s", code, cli.StatusIncomplete, stderr)
			}
			if code, _, stderr := call("unbundle", "-q", out, image); code != cli.StatusDone {
				t.Fatalf("unbundle: status %d: %s", code, stderr)
			}
			imgtest.Fsck(t, image)
			mnt := imgtest.Mount(t, image)
			if _, err := os.Lstat(filepath.Join(mnt, "bad")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("bad: %v, want none", err)
			}
			for _, name := range []string{"a", "c"} {
				if got, err := os.ReadFile(filepath.Join(mnt, name)); err != nil || !bytes.Equal(got, good) {
					t.Errorf("%s: %d bytes, %v", name, len(got), err)
				}
			}
		})
	}
}

// cutUnder makes the last blocks of a file unreadable.
func cutUnder(t *testing.T, device, file string) {
	t.Helper()
	blocks := strings.Fields(imgtest.Run(t, "debugfs", "-R", "blocks /"+filepath.Base(file), device))
	last, err := strconv.ParseInt(blocks[len(blocks)-1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err == nil {
		err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		err = errors.Join(err, f.Close())
	}
	// Punched blocks would read as zeros; behind the end of the backing file
	// the device has an error. The file behind this one stays in memory.
	if err = errors.Join(err, os.Truncate(device, last*4096)); err != nil {
		t.Fatal(err)
	}
}
