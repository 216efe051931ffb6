package ext2img_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/ext2img/imgtest"
)

// TestSlowWrite has a file read whose one write(2) has stamped it and copied half of its
// bytes: the rest comes without another stamp. The smaller file lies in one part.
func TestSlowWrite(t *testing.T) {
	imgtest.RequireRoot(t)
	for _, size := range []int{6 << 20, 11 << 20} { // more than the kernel copies at once
		for try := 1; slowWrite(t, size) > 80*time.Millisecond; try++ { // nearly what is waited for, as the stamp may be a tick old: the machine has much to do
			if try == 20 {
				t.Logf("none of %d writes was done in time", try)
				break
			}
		}
	}
}

// slowWrite judges the image of a file that is written to, and returns how long that took.
func slowWrite(t *testing.T, size int) (took time.Duration) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, noise(1, size), 0o644); err != nil {
		t.Fatal(err)
	}
	m := layout(t, dir, params())
	old, want := modTime(t, file), noise(2, size)
	written, parts := make(chan error, 1), 0
	image, report := writeWith(t, m, func(int) {
		if parts++; parts > 1 {
			return
		}
		content, arrive := late(t, want)
		go func() {
			f, err := os.OpenFile(file, os.O_WRONLY, 0)
			start := time.Now()
			if err == nil {
				_, err = f.Write(content)
				f.Close()
			}
			took = time.Since(start)
			written <- err
		}()
		for modTime(t, file).Equal(old) && len(written) == 0 {
			time.Sleep(time.Millisecond)
		}
		time.AfterFunc(50*time.Millisecond, arrive)
		time.Sleep(30 * time.Millisecond)
	})
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if took > 80*time.Millisecond {
		return took
	}
	imgtest.Fsck(t, image)
	got, err := os.ReadFile(filepath.Join(imgtest.Mount(t, image), "file"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v: not what was written", len(got), err)
	}
	if len(report.Changes) != 1 || report.Changes[0].Kind != ext2img.Rewritten {
		t.Errorf("changes %v", report.Changes)
	}
	return took
}

func modTime(t *testing.T, file string) time.Time {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}

// late returns memory that holds content, of which the second half comes when arrive is
// called: who reads it before, waits. See userfaultfd(2) and ioctl_userfaultfd(2).
func late(t *testing.T, content []byte) (memory []byte, arrive func()) {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, len(content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(memory) })
	half := len(content) / 2
	copy(memory, content[:half])
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		t.Fatal(os.NewSyscallError("userfaultfd", errno))
	}
	t.Cleanup(func() { unix.Close(int(fd)) })
	const (
		api, register, copyIn = 0xc018aa3f, 0xc020aa00, 0xc028aa03
		missing               = 1
	)
	call := func(request uintptr, argument unsafe.Pointer) {
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, request, uintptr(argument)); errno != 0 {
			t.Error(os.NewSyscallError("userfaultfd", errno))
		}
	}
	call(api, unsafe.Pointer(&[3]uint64{0xaa}))
	start := uint64(uintptr(unsafe.Pointer(&memory[half])))
	call(register, unsafe.Pointer(&[4]uint64{start, uint64(half), missing}))
	return memory, func() {
		call(copyIn, unsafe.Pointer(&[5]uint64{start, uint64(uintptr(unsafe.Pointer(&content[half]))), uint64(half)}))
	}
}
