package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fillUp takes all the room of a file system but for so many bytes.
func fillUp(t testing.TB, dir string, leave int64) {
	t.Helper()
	f, err := os.CreateTemp(dir, "ballast")
	must(t, err)
	defer f.Close()
	var size int64
	for range 3 { // ext4 gives back what it had set aside, once asked to sync
		for n := int64(32 << 20); n >= 4096; {
			err := unix.Fallocate(int(f.Fd()), 0, size, n)
			switch {
			case err == nil:
				size += n
			case errors.Is(err, unix.ENOSPC):
				n /= 2
			case !errors.Is(err, unix.EINTR):
				t.Fatal(err)
			}
		}
		for {
			if _, err := f.WriteAt(make([]byte, 4096), size); err != nil {
				break // what fallocate(2) does not get
			}
			size += 4096
		}
		must(t, f.Sync())
	}
	must(t, f.Truncate(max(0, size-leave)))
	must(t, f.Sync())
}

// fullFS is a kind of small file system to fill.
type fullFS struct {
	name string
	make func(t *testing.T) string
}

var fullFSs = []fullFS{
	{"ext4", func(t *testing.T) string { dir, _ := smallExt4(t, 48<<20); return dir }},
	{"ext4 without journal", func(t *testing.T) string { dir, _ := smallExt4(t, 48<<20, "-O", "^has_journal"); return dir }},
	{"tmpfs", func(t *testing.T) string {
		dir := t.TempDir()
		mount(t, dir, "-t", "tmpfs", "-o", "size=40M", "none")
		return dir
	}},
}

// fullStages are the changes of the directory before which the file system is
// filled, each in a run of its own: with the first, all that follows fails.
var fullStages = []string{
	"create .p.part.0.purebundle-new", "create .p.part.1.purebundle-new", "create .p.part.2.purebundle-new",
	"create .p.sha256.purebundle-new", "create .p.manifest.json.purebundle-new",
	"create ..p.purebundle-commit.purebundle-new", "rename .p.purebundle-commit",
	"rename p.part.001", "rename p.sha256", "rename p.manifest.json", "remove .p.purebundle-commit",
}

// TestFull fills the file system at every stage in turn.
func TestFull(t *testing.T) {
	if testing.Short() {
		t.Skip("one worker: nothing goes on beside it")
	}
	for _, fs := range fullFSs {
		for _, o := range olders[:2] {
			t.Run(fs.name+", older "+o.name, func(t *testing.T) {
				mnt := fs.make(t)
				failures := make(map[string]int)
				for i, stage := range fullStages {
					dir := filepath.Join(mnt, fmt.Sprint(i))
					must(t, os.Mkdir(dir, 0o755))
					im := o.prepare(t, dir)
					failed, err := fullAt(t, mnt, dir, stage)
					clearBallast(t, mnt)
					if err == nil {
						digests{}.wantWhole(t, dir, wide)
					} else {
						failures[filepath.Base(failed)]++
						wantError(t, err, dir+"/", "no space left on device", "written", "free in "+dir)
						wantOlder(t, dir, im)
					}
					must(t, os.RemoveAll(dir))
				}
				for _, name := range []string{"p.part.000", "p.part.001", "p.sha256", "p.manifest.json"} {
					if failures[name] == 0 {
						t.Errorf("%s never failed: %v", name, failures)
					}
				}
			})
		}
	}
}

// wide has so many parts that its file of digests takes more than one block.
var wide = func() *image {
	im := &image{parts: 70, seed: 3, zero: make(map[int]bool)}
	for i := 2; i < im.parts; i++ {
		im.zero[i] = true
	}
	return im
}()

// fullAt makes the bundle wide and fills the file system at a stage. It says
// which file failed.
func fullAt(t *testing.T, mnt, dir, stage string) (failed string, err error) {
	t.Helper()
	w, err := Create(dir, Options{Prefix: "p", Force: true, Workers: 1})
	must(t, err)
	reached := false
	onChange(w, func(op, name string) error {
		if op+" "+name == stage && !reached {
			reached = true
			fillUp(t, mnt, 0)
		}
		return nil
	})
	err = fillAll(t.Context(), w, wide)
	if err == nil {
		err = w.Commit(t.Context(), testManifest())
	}
	if aerr := w.Abort(); aerr != nil {
		t.Fatal(aerr)
	}
	if !reached {
		t.Fatalf("stage %s was never reached", stage)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		failed = e.Path
	}
	return failed, err
}

func clearBallast(t testing.TB, mnt string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(mnt, "ballast*"))
	must(t, err)
	for _, f := range files {
		must(t, os.Remove(f))
	}
}

func TestPreflight(t *testing.T) {
	mnt, _ := smallExt4(t, 64<<20, "-N", "64")
	var st unix.Statfs_t
	must(t, unix.Statfs(mnt, &st))
	free := int64(st.Bavail) * st.Bsize
	dest := filepath.Join(mnt, "dest")
	w, err := Create(dest, Options{Prefix: "p"})
	must(t, err)
	must(t, w.Preflight(6, free-1<<20))
	err = w.Preflight(6, free+1)
	space, ok := errors.AsType[*SpaceError](err)
	if !ok || space.Need < free+1 || space.Have > free || space.Have < free-1<<16 || !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v; %d are free", err, free)
	}
	if text := err.Error(); !strings.Contains(text, dest) || !strings.Contains(text, "needed") || !strings.Contains(text, "MiB") {
		t.Errorf("%q does not say enough", text)
	}
	wantError(t, w.Preflight(100, 0), dest, "102 files needed", "inodes")
	must(t, w.Abort())
	wantNames(t, mnt)
}

// TestReadOnly remounts the file system read-only before each change, in turn.
// Nothing can be removed then: the next run does, once it is writable.
func TestReadOnly(t *testing.T) {
	mnt, _ := smallExt4(t, 96<<20)
	states := make(map[string]int)
	for stage := 1; ; stage++ {
		dir := filepath.Join(mnt, fmt.Sprint(stage))
		must(t, os.Mkdir(dir, 0o755))
		im := olders[1].prepare(t, dir)
		w, err := Create(dir, Options{Prefix: "p", Force: true, Workers: 1})
		must(t, err)
		n := 0
		onChange(w, func(op, name string) error {
			if n++; n == stage {
				run(t, "mount", "-o", "remount,ro", mnt)
			}
			return nil
		})
		err = fillAll(t.Context(), w, newer())
		if err == nil {
			err = w.Commit(t.Context(), testManifest())
		}
		if aerr := w.Abort(); aerr != nil {
			wantError(t, aerr, dir, "read-only file system")
		}
		if n < stage {
			must(t, err)
			break
		}
		wantError(t, err, dir, "read-only file system", "dmesg")
		if _, err := Create(dir, Options{Prefix: "p"}); err == nil {
			t.Error("a new run began on a read-only file system")
		} else {
			wantError(t, err, dir, "read-only file system", "remount")
		}
		run(t, "mount", "-o", "remount,rw", mnt)
		states[make(digests).wantPromise(t, dir, im, newer())]++
		must(t, os.RemoveAll(dir))
	}
	t.Log(states)
	if states["older"] == 0 || states["none"] == 0 || states["newer"] == 0 {
		t.Error("not every state was seen")
	}
}

// TestGone removes the output directory during the run.
func TestGone(t *testing.T) {
	for _, tt := range []struct {
		name string
		gone func(dir string) error
	}{
		{"removed", os.RemoveAll},
		{"emptied", func(dir string) error {
			names, err := filepath.Glob(dir + "/.p*")
			for _, name := range names {
				err = errors.Join(err, os.Remove(name))
			}
			return err
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for at := range 3 { // before part 0, before part 1, before the commit
				dir := filepath.Join(t.TempDir(), "dest")
				w, err := Create(dir, Options{Prefix: "p", Workers: 1})
				must(t, err)
				im := newer()
				im.read = func(part int) error {
					if part == at {
						return tt.gone(dir)
					}
					return nil
				}
				err = fillAll(t.Context(), w, im)
				if at == 2 {
					must(t, err)
					must(t, tt.gone(dir))
				}
				if err == nil {
					err = w.Commit(t.Context(), testManifest())
				}
				if tt.name == "emptied" && at == 0 { // nothing was there yet
					must(t, err)
					continue
				}
				wantError(t, err, dir+"/p.part.00", "no such file or directory", "removed during the run")
				must(t, w.Abort())
				if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s is there: %v", dir, err)
				}
			}
		})
	}
}

// TestErrno: what the kernel says comes with the path and with what to do.
func TestErrno(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EDQUOT: "written of 1.0 MiB (1048576 bytes): make room within the quota",
		unix.ENOSPC: "written of 1.0 MiB (1048576 bytes), ",
		unix.EIO:    "the device fails",
		unix.EFBIG:  "ulimit -f",
		unix.EMFILE: "ulimit -n",
		unix.EACCES: "no permission",
		unix.ESTALE: "file server",
	} {
		dir := t.TempDir()
		w, err := Create(dir, Options{Prefix: "p", Workers: 1})
		must(t, err)
		onChange(w, func(op, name string) error {
			if name == partTemp("p", 1) {
				return errno
			}
			return nil
		})
		err = fillAll(t.Context(), w, newer())
		wantError(t, err, "create "+dir+"/p.part.001: "+errno.Error(), want)
		onChange(w, nil)
		must(t, w.Abort())
		wantNames(t, dir)
	}
}

// TestMoved: the run follows its directory, not the path.
func TestMoved(t *testing.T) {
	top := t.TempDir()
	dir, moved := filepath.Join(top, "dest"), filepath.Join(top, "moved")
	w := made(t, dir)
	must(t, os.Rename(dir, moved))
	must(t, os.Mkdir(dir, 0o755))
	must(t, w.Commit(t.Context(), testManifest()))
	digests{}.wantWhole(t, moved, newer())
	wantNames(t, dir)
}

// TestWriteback: the device fails when the data reaches it, long after write(2)
// said yes. The loop device's file is on a tmpfs that is full.
func TestWriteback(t *testing.T) {
	need(t, os.Geteuid() == 0, "needs root to mount")
	needTool(t, "mkfs.ext4", "mount")
	back := t.TempDir()
	mount(t, back, "-t", "tmpfs", "-o", "size=24M", "none")
	file := filepath.Join(back, "disk")
	must(t, os.WriteFile(file, nil, 0o600))
	must(t, os.Truncate(file, 128<<20))
	run(t, "mkfs.ext4", "-q", "-O", "^has_journal", "-m", "0", "-E", "nodiscard", file)
	mnt := t.TempDir()
	mount(t, mnt, "-o", "loop", file)
	dir := filepath.Join(mnt, "dest")
	im := newer()
	build(t, dir, im, Options{Prefix: "p"})
	run(t, "sync", "-f", mnt)
	fillUp(t, back, 64<<10)

	w, err := Create(dir, Options{Prefix: "p", Force: true})
	must(t, err)
	err = fillAll(t.Context(), w, &image{parts: 5, seed: 9})
	if err == nil {
		err = w.Commit(t.Context(), testManifest())
	}
	if err == nil {
		t.Fatal("no error")
	}
	if text := err.Error(); !strings.Contains(text, dir) ||
		!strings.Contains(text, "input/output error") && !strings.Contains(text, "no space left on device") {
		t.Errorf("got %v", err)
	}
	_ = w.Abort()
	clearBallast(t, back)
	digests{}.wantWhole(t, dir, im)
}

// TestCreateRefused: what DEST can be that it must not be.
func TestCreateRefused(t *testing.T) {
	need(t, os.Geteuid() == 0, "needs root to mount")
	needTool(t, "chattr")
	top := t.TempDir()
	ro, _ := smallExt4(t, 16<<20)
	run(t, "mount", "-o", "remount,ro", ro)
	immutable := filepath.Join(top, "immutable")
	must(t, os.Mkdir(immutable, 0o755))
	run(t, "chattr", "+i", immutable)
	t.Cleanup(func() { run(t, "chattr", "-i", immutable) })
	must(t, os.WriteFile(filepath.Join(top, "file"), nil, 0o600))
	must(t, os.Symlink("nowhere", filepath.Join(top, "dangling")))
	must(t, os.Mkdir(filepath.Join(top, "real"), 0o755))
	must(t, os.Symlink("real", filepath.Join(top, "link")))
	for _, tt := range []struct{ dest, want string }{
		{ro, "read-only file system"},
		{ro + "/a/b", "read-only file system"},
		{immutable, "operation not permitted"},
		{immutable + "/a", "operation not permitted"},
		{top + "/file", "not a directory"},
		{top + "/file/a", "not a directory"},
		{top + "/dangling", "symbolic link to nothing"},
		{"/proc/purebundle", "no such file or directory"},
		{top + "/" + strings.Repeat("x", 256), "file name too long"},
	} {
		_, err := Create(tt.dest, Options{Prefix: "p"})
		if err == nil {
			t.Fatalf("%s: no error", tt.dest)
		}
		wantText(t, err, tt.want)
	}
	wantNames(t, top, "file", "dangling", "immutable", "real", "link")
	build(t, top+"/link", &image{parts: 1}, Options{Prefix: "p"})
	wantNames(t, top+"/real", bundleNames("p", 1)...)
}

// TestStrangers: files that are named like parts but never were.
func TestStrangers(t *testing.T) {
	for name, make := range map[string]func(string) error{
		"p.part.000.bak": func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"p.part.":        func(p string) error { return os.WriteFile(p, nil, 0o600) },
		"p.part.000":     func(p string) error { return os.Mkdir(p, 0o755) },
		"p.sha256":       func(p string) error { return os.Mkdir(p, 0o755) },
	} {
		dir := t.TempDir()
		must(t, make(filepath.Join(dir, name)))
		_, err := Create(dir, Options{Prefix: "p"})
		if info, serr := os.Stat(filepath.Join(dir, name)); serr == nil && info.IsDir() { // Force would not help
			wantError(t, err, name, "no part of a bundle")
		} else {
			wantError(t, err, name, "exists already")
		}
		_, err = Create(dir, Options{Prefix: "p", Force: true})
		wantError(t, err, name, "no part of a bundle")
		wantNames(t, dir, name)
	}
	// A link under the name of a part is replaced, what it points to is not touched.
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	must(t, os.WriteFile(out, []byte("mine"), 0o600))
	must(t, os.Symlink(out, dir+"/p.part.000"))
	build(t, dir, &image{parts: 1}, Options{Prefix: "p", Force: true})
	wantFile(t, out, []byte("mine"))
	digests{}.wantWhole(t, dir, &image{parts: 1})
}

// TestHugeBundle: many zero parts cost next to nothing but their names.
func TestZeroParts(t *testing.T) {
	const parts = 2001
	dir := t.TempDir()
	im := &image{parts: parts, zero: make(map[int]bool)}
	for i := range parts {
		im.zero[i] = i != 7
	}
	build(t, dir, im, Options{Prefix: "p"})
	b, err := Load(dir, "")
	must(t, err)
	defer b.Close()
	must(t, b.Verify(t.Context(), 0, nil))
	if name := b.Manifest().Parts[7].Name; name != "p.part.0007" {
		t.Errorf("part 7 is %s", name)
	}
	head := make([]byte, Size)
	if _, err := b.ReadAt(head, 7*Size); err != nil || !bytes.Equal(head, im.part(7)) {
		t.Errorf("part 7 is another: %v", err)
	}
	run(t, "sh", "-c", "cd "+dir+" && test $(du -sk . | cut -f1) -lt 2000 && test $(du -sk --apparent-size . | cut -f1) -gt 20490240")
}
