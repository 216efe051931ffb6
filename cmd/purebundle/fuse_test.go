package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// A fuseFile is a file of a file system that fails: op is the request that gets
// errno; "short" is a read that ends too early, "opendir" one of a directory,
// "readlink" one of a symbolic link, which without an errno has an empty target;
// "huge" is no request, but a size of 2^63-1 bytes.
type fuseFile struct {
	name, op string
	errno    unix.Errno
}

const fuseSize = 10_000 // bytes of each file; a short one gives half of them

// Requests of linux/fuse.h.
const (
	fuseLookup, fuseForget, fuseGetattr, fuseReadlink, fuseOpen, fuseRead = 1, 2, 3, 5, 14, 15

	fuseStatfs, fuseRelease, fuseFlush, fuseInit = 17, 18, 25, 26
	fuseOpendir, fuseReaddir, fuseReleasedir     = 27, 28, 29
	fuseInterrupt, fuseBatchForget               = 36, 42
)

// serveFUSE mounts a file system on dir that has these files, in its root. Node
// 1 is the root, 2 the first file.
func serveFUSE(t *testing.T, dir string, files []fuseFile) {
	t.Helper()
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other", fd)
	if err := unix.Mount("test", dir, "fuse", 0, options); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b := make([]byte, 1<<20); ; {
			n, err := unix.Read(fd, b)
			if err == unix.EINTR || err == unix.ENOENT {
				continue
			}
			if err != nil { // unmounted
				return
			}
			answerFUSE(fd, b[:n], files)
		}
	}()
	t.Cleanup(func() {
		imgtest.Unmount(t, dir)
		<-done
		unix.Close(fd)
	})
}

// answerFUSE answers one request: fuse_in_header is length, opcode, unique (8
// bytes), nodeid (8 bytes), and 16 bytes more.
func answerFUSE(fd int, b []byte, files []fuseFile) {
	le := binary.LittleEndian
	op, unique, node, body := le.Uint32(b[4:]), le.Uint64(b[8:]), le.Uint64(b[16:]), b[40:]
	fails := func(n uint64, what string) (unix.Errno, bool) {
		if n < 2 || files[n-2].op != what {
			return 0, false
		}
		return files[n-2].errno, true
	}
	attr := func(n uint64) []byte { // fuse_attr, 88 bytes
		a := make([]byte, 88)
		le.PutUint64(a, n)
		mode, size := uint32(unix.S_IFREG|0o644), uint64(fuseSize)
		if _, dir := fails(n, "opendir"); dir || n == 1 {
			mode, size = unix.S_IFDIR|0o755, 0
		}
		if _, link := fails(n, "readlink"); link {
			mode, size = unix.S_IFLNK|0o777, 0
		}
		if _, huge := fails(n, "huge"); huge {
			size = 1<<63 - 1
		}
		le.PutUint64(a[8:], size)
		le.PutUint64(a[16:], (size+511)/512)
		le.PutUint32(a[60:], mode)
		le.PutUint32(a[64:], 1)
		le.PutUint32(a[80:], 4096)
		return a
	}
	var out []byte
	var errno unix.Errno
	switch op {
	case fuseForget, fuseBatchForget, fuseInterrupt:
		return
	case fuseInit:
		out = make([]byte, 64)
		le.PutUint32(out, 7)
		le.PutUint32(out[4:], 31)
		le.PutUint32(out[20:], 1<<16) // max_write
	case fuseLookup:
		i := slices.IndexFunc(files, func(f fuseFile) bool { return f.name == string(bytes.TrimRight(body, "\x00")) })
		if errno = unix.ENOENT; i >= 0 {
			if errno, _ = fails(uint64(i+2), "lookup"); errno == 0 {
				out = append(make([]byte, 40), attr(uint64(i+2))...)
				le.PutUint64(out, uint64(i+2))
			}
		}
	case fuseGetattr:
		out = append(make([]byte, 16), attr(node)...)
	case fuseReadlink:
		errno, _ = fails(node, "readlink")
	case fuseOpendir:
		out = make([]byte, 16)
		errno, _ = fails(node, "opendir")
	case fuseOpen:
		out = make([]byte, 16)
		le.PutUint32(out[8:], 1) // FOPEN_DIRECT_IO
		errno, _ = fails(node, "open")
	case fuseRead:
		off, size := int(le.Uint64(body[8:])), int(le.Uint32(body[16:]))
		errno, _ = fails(node, "read")
		end := fuseSize
		if _, short := fails(node, "short"); short {
			end /= 2
		}
		out = bytes.Repeat([]byte("x"), max(0, min(size, end-off)))
	case fuseReaddir:
		for i := int(le.Uint64(body[8:])); i < len(files); i++ {
			e := make([]byte, 24+(len(files[i].name)+7)/8*8)
			le.PutUint64(e, uint64(i+2))
			le.PutUint64(e[8:], uint64(i+1))
			le.PutUint32(e[16:], uint32(len(files[i].name)))
			le.PutUint32(e[20:], unix.DT_UNKNOWN)
			copy(e[24:], files[i].name)
			out = append(out, e...)
		}
	case fuseStatfs:
		out = make([]byte, 80)
	case fuseRelease, fuseReleasedir, fuseFlush:
	default:
		errno = unix.ENOSYS
	}
	if errno != 0 {
		out = nil
	}
	header := make([]byte, 16)
	le.PutUint32(header, uint32(16+len(out)))
	le.PutUint32(header[4:], uint32(-int32(errno)))
	le.PutUint64(header[8:], unique)
	_, _ = unix.Write(fd, append(header, out...)) // the asker may be gone
}

// TestUnreadableIsNotVanished bundles a file system whose server refuses files:
// what is there and cannot be had is unreadable, status 3, whatever the error.
// What has too few bytes is not filled up with zeros.
func TestUnreadableIsNotVanished(t *testing.T) {
	imgtest.RequireRoot(t)
	files := []fuseFile{{"good", "", 0}, {"short", "short", 0}, {"gone", "lookup", unix.ENOENT}}
	for _, op := range []string{"lookup", "open", "opendir", "read"} {
		for _, errno := range []unix.Errno{unix.ESTALE, unix.EIO, unix.EACCES, unix.ETIMEDOUT, unix.ENODEV, unix.EREMOTEIO, unix.ENOTCONN} {
			files = append(files, fuseFile{op + unix.ErrnoName(errno), op, errno})
		}
	}
	slices.SortFunc(files, func(a, b fuseFile) int { return strings.Compare(a.name, b.name) })
	src, dest := t.TempDir(), filepath.Join(t.TempDir(), "dest")
	serveFUSE(t, src, files)
	status, _, out := call("bundle", "--progress", "plain", "-v", src, dest)
	if status != cli.StatusIncomplete {
		t.Errorf("status %d, want %d", status, cli.StatusIncomplete)
	}
	b, err := chunk.Load(dest, "")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	defer b.Close()
	lost := lostIn(b.Manifest())
	for _, f := range files {
		want := f.op != "" && f.name != "gone"
		if lost["/"+f.name] != want {
			t.Errorf("%s lost: %v, want %v", f.name, lost["/"+f.name], want)
		}
		if f.op != "" && !strings.Contains(out, "/"+f.name+": ") {
			t.Errorf("the output does not name %s", f.name)
		}
	}
	if n := b.Manifest().Counts.DataBytes; n != fuseSize {
		t.Errorf("%d bytes of data, want the %d that are in the image", n, fuseSize)
	}
	for _, c := range b.Manifest().Changes {
		if c.Detail == "" {
			t.Errorf("%s: %s, and nothing else", c.Path, c.Kind)
		}
		if c.Kind == "vanished" && c.Path != "/gone" {
			t.Errorf("%s has vanished, it says", c.Path)
		}
	}
	if code, text, _ := call("cat", dest, "/good"); code != cli.StatusDone || text != strings.Repeat("x", fuseSize) {
		t.Errorf("good: status %d, %d bytes", code, len(text))
	}
	if t.Failed() {
		t.Log(out)
	}
}

// TestUnfitFromServer bundles what ext4 cannot hold, and servers can have: an empty
// target, names over 255 bytes, sizes whose sum is more than 64 bits. Each is listed,
// status 3, and the rest is as it is there.
func TestUnfitFromServer(t *testing.T) {
	imgtest.RequireRoot(t)
	long := strings.Repeat("n", 256)
	unfit := []fuseFile{{"empty target", "readlink", 0}, {"huge1", "huge", 0}, {"huge2", "huge", 0}, {"huge3", "huge", 0}, {long, "", 0}, {long + long, "", 0}}
	good := []fuseFile{{"good", "", 0}, {strings.Repeat("n", 255), "", 0}}
	files := slices.Concat(unfit, good)
	slices.SortFunc(files, func(a, b fuseFile) int { return strings.Compare(a.name, b.name) })
	src, dest := t.TempDir(), filepath.Join(t.TempDir(), "dest")
	serveFUSE(t, src, files)
	status, _, out := call("bundle", "--progress", "plain", src, dest)
	if status != cli.StatusIncomplete {
		t.Fatalf("status %d, want %d: %s", status, cli.StatusIncomplete, out)
	}
	b, err := chunk.Load(dest, "")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	lost := lostIn(b.Manifest())
	for _, f := range unfit {
		if !lost["/"+f.name] {
			t.Errorf("%.20s is not listed", f.name)
		}
	}
	if len(lost) != len(unfit) {
		t.Errorf("%d lost, want %d: %.200v", len(lost), len(unfit), lost)
	}
	for _, f := range good {
		if code, text, _ := call("cat", dest, "/"+f.name); code != cli.StatusDone || text != strings.Repeat("x", fuseSize) {
			t.Errorf("%.20s: status %d, %d bytes", f.name, code, len(text))
		}
	}
	if m := b.Manifest(); m.Counts.FileBytes != 1<<63-1 {
		t.Errorf("%d bytes of files in all", m.Counts.FileBytes)
	}
	if code, _, text := call("verify", "-q", "--deep", dest); code != cli.StatusDone {
		t.Errorf("verify: status %d: %s", code, text)
	}
}
