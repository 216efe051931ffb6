package chunk

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// loaded returns a bundle of im.
func loaded(t testing.TB, im *image) *Bundle {
	t.Helper()
	dir := t.TempDir()
	build(t, dir, im, Options{Prefix: "p"})
	b, err := Load(dir, "p")
	must(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

func wantFile(t testing.TB, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s has %d other bytes, %v", path, len(got), err)
	}
}

func TestJoin(t *testing.T) {
	im := &image{parts: 4, zero: map[int]bool{1: true, 3: true}}
	b := loaded(t, im)
	for _, tt := range []struct {
		name  string
		setup func(t *testing.T, dst string)
		opt   JoinOptions
		want  string // of the error; "": joins
		after []string
	}{
		{"new", nil, JoinOptions{}, "", []string{"image"}},
		{"one worker", nil, JoinOptions{Workers: 1}, "", []string{"image"}},
		{"many workers", nil, JoinOptions{Workers: 9}, "", []string{"image"}},
		{"new, forced", nil, JoinOptions{Force: true}, "", []string{"image"}},
		{"exists", func(t *testing.T, dst string) { must(t, os.WriteFile(dst, []byte("mine"), 0o600)) },
			JoinOptions{}, "exists already", []string{"image"}},
		{"exists, forced", func(t *testing.T, dst string) { must(t, os.WriteFile(dst, []byte("mine"), 0o600)) },
			JoinOptions{Force: true}, "", []string{"image"}},
		{"directory", func(t *testing.T, dst string) { must(t, os.Mkdir(dst, 0o755)) },
			JoinOptions{Force: true}, "is a directory", []string{"image"}},
		{"FIFO", func(t *testing.T, dst string) { must(t, unix.Mkfifo(dst, 0o600)) },
			JoinOptions{Force: true}, "no regular file or block device", []string{"image"}},
		{"dangling link", func(t *testing.T, dst string) { must(t, os.Symlink("nowhere", dst)) },
			JoinOptions{}, "is a symbolic link", []string{"image"}},
		{"link, forced", func(t *testing.T, dst string) {
			must(t, os.WriteFile(dst+"-2", []byte("mine"), 0o600))
			must(t, os.Symlink("image-2", dst))
		}, JoinOptions{Force: true}, "is a symbolic link", []string{"image", "image-2"}},
		{"what a killed run left", func(t *testing.T, dst string) {
			must(t, os.WriteFile(filepath.Join(filepath.Dir(dst), joinTemp("image")), bytes.Repeat([]byte("x"), 5*Size), 0o600))
		}, JoinOptions{}, "", []string{"image"}},
		{"temporary name is a link", func(t *testing.T, dst string) {
			must(t, os.Symlink("/etc/passwd", filepath.Join(filepath.Dir(dst), joinTemp("image"))))
		}, JoinOptions{}, "", []string{"image", joinTemp("image")}},
		{"temporary name is a directory", func(t *testing.T, dst string) {
			must(t, os.Mkdir(filepath.Join(filepath.Dir(dst), joinTemp("image")), 0o700))
		}, JoinOptions{}, "", []string{"image", joinTemp("image")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dst := filepath.Join(t.TempDir(), "image")
			if tt.setup != nil {
				tt.setup(t, dst)
			}
			err := b.Join(t.Context(), dst, tt.opt)
			wantNames(t, filepath.Dir(dst), tt.after...)
			if tt.want != "" {
				if err == nil {
					t.Fatal("no error")
				}
				wantText(t, err, tt.want)
				return
			}
			must(t, err)
			wantFile(t, dst, im.bytes())
			st, err := os.Stat(dst)
			must(t, err)
			if st.Mode().Perm() != 0o600 {
				t.Errorf("mode %v", st.Mode())
			}
			if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used > Size {
				t.Errorf("takes %d bytes: not sparse", used)
			}
		})
	}
}

func TestJoinPlaces(t *testing.T) {
	b := loaded(t, &image{parts: 1})
	for dst, want := range map[string]string{
		"/nonexistent/image": "no such file or directory",
		"/dev/null":          "no regular file or block device",
		filepath.Join(b.disk.dir.Path(), "p.part.007"):            "name of the bundle itself",
		filepath.Join(b.disk.dir.Path(), "p.part.000/image"):      "not a directory",
		filepath.Join(b.disk.dir.Path(), "p.part.000"):            "exists already",
		filepath.Join(t.TempDir(), strings.Repeat("x", 255), "x"): "no such file",
	} {
		err := b.Join(t.Context(), dst, JoinOptions{})
		if err == nil {
			t.Fatal("no error", dst)
		}
		wantText(t, err, want)
	}
	err := b.Join(t.Context(), b.disk.dir.Join("p.part.000"), JoinOptions{Force: true})
	if err == nil {
		t.Error("replaced its own part")
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 255))
	must(t, b.Join(t.Context(), long, JoinOptions{}))
	must(t, b.Verify(t.Context(), 0, nil))
}

func TestJoinCancelled(t *testing.T) {
	b := loaded(t, &image{parts: 3})
	dst := filepath.Join(t.TempDir(), "image")
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Join(ctx, dst, JoinOptions{Workers: 1, Done: func(int) { cancel() }})
	if err != context.Canceled {
		t.Errorf("got %v", err)
	}
	wantNames(t, filepath.Dir(dst))
}

func TestJoinTwice(t *testing.T) {
	b := loaded(t, &image{parts: 2})
	dst := filepath.Join(t.TempDir(), "image")
	inner := errors.New("never ran")
	err := b.Join(t.Context(), dst, JoinOptions{Workers: 1, Done: func(i int) {
		if i == 0 {
			inner = b.Join(t.Context(), dst, JoinOptions{})
		}
	}})
	must(t, err)
	if !errors.Is(inner, ErrBusy) {
		t.Errorf("the second said %v", inner)
	}
	wantNames(t, filepath.Dir(dst), "image")
}

// loopDevice attaches a file of so many bytes, filled with ones, and returns the device.
func loopDevice(t testing.TB, size int64) string {
	t.Helper()
	needTool(t, "losetup")
	need(t, os.Geteuid() == 0, "needs root for losetup")
	file := filepath.Join(t.TempDir(), "disk")
	must(t, os.WriteFile(file, bytes.Repeat([]byte{0xff}, int(size)), 0o600))
	out, err := exec.Command("losetup", "--find", "--show", file).Output()
	need(t, err == nil, "losetup does not work")
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", dev).CombinedOutput(); err != nil {
			t.Errorf("losetup: %v %s", err, out)
		}
	})
	return dev
}

func TestJoinDevice(t *testing.T) {
	im := &image{parts: 3, zero: map[int]bool{1: true}}
	b := loaded(t, im)
	dev := loopDevice(t, 3*Size+4096)

	wantError(t, b.Join(t.Context(), dev, JoinOptions{}), dev, "is a block device")
	must(t, b.Join(t.Context(), dev, JoinOptions{Force: true}))
	wantFile(t, dev, append(im.bytes(), bytes.Repeat([]byte{0xff}, 4096)...))

	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(dev, link))
	must(t, b.Join(t.Context(), link, JoinOptions{Force: true}))

	small := loopDevice(t, 3*Size-4096)
	wantError(t, b.Join(t.Context(), small, JoinOptions{Force: true}), small, "too small", "larger device")

	// A damaged bundle must not leave the beginning of an image.
	flip(t, b.disk.dir.Join("p.part.002"), 9)
	if err := b.Join(t.Context(), dev, JoinOptions{Force: true}); !errors.Is(err, ErrDamaged) {
		t.Errorf("damaged: %v", err)
	}
	head := make([]byte, Size)
	f, err := os.Open(dev)
	must(t, err)
	defer f.Close()
	if _, err := f.ReadAt(head, 0); err != nil || !bytes.Equal(head, make([]byte, Size)) {
		t.Errorf("the first part is not cleared: %v", err)
	}
}

func TestJoinMountedDevice(t *testing.T) {
	needTool(t, "mkfs.ext4", "mount")
	b := loaded(t, &image{parts: 1})
	dev := loopDevice(t, 2*Size)
	run(t, "mkfs.ext4", "-q", dev)
	mnt := t.TempDir()
	mount(t, mnt, dev)
	wantError(t, b.Join(t.Context(), dev, JoinOptions{Force: true}), dev, "busy", "unmount")
}
