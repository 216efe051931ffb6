package chunk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// childVar makes the test binary write one bundle and end: see TestKill.
const childVar = "PUREBUNDLE_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		io.WriteString(os.Stdout, "ready\n")
		seed, _ := strconv.Atoi(os.Getenv(childVar + "_SEED"))
		im := &image{parts: 5, seed: uint64(seed), zero: map[int]bool{3: true}}
		if err := tryBuild(context.Background(), dir, im, Options{Prefix: "p", Force: true}); err != nil {
			io.WriteString(os.Stderr, err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	// What TestPowerLoss mounts is to be gone when it is unmounted: then the next copy of
	// that file system can be mounted.
	if status, done := imgtest.OwnMounts(); done {
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// child starts a process that writes a bundle of that seed to dir.
func child(t testing.TB, dir string, seed int) (cmd *exec.Cmd, out *bytes.Buffer) {
	t.Helper()
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childVar+"="+dir, childVar+"_SEED="+strconv.Itoa(seed))
	out = new(bytes.Buffer)
	cmd.Stderr = out
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if _, err := io.ReadFull(stdout, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	return cmd, out
}

// TestKill kills a run with SIGKILL at random moments, over and over in one
// directory: what is there then is as Writer promises, and the next run works.
func TestKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dest")
	begin := time.Now()
	cmd, out := child(t, dir, 0)
	if err := cmd.Wait(); err != nil {
		t.Fatal(err, out)
	}
	whole := time.Since(begin)

	r := rand.New(rand.NewPCG(1, 2))
	last, dg := 0, make(digests)
	states := make(map[string]int)
	for seed := 1; seed <= 20; seed++ {
		cmd, out := child(t, dir, seed)
		delay := time.Duration(r.Int64N(int64(whole)))
		if seed%2 == 0 {
			// Half of them near the end, where the files get their names.
			delay = whole*7/10 + delay*7/10
		}
		time.Sleep(delay)
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			last = seed
			states["done"]++
			whole = min(whole, delay) // the machine had more to do when it was measured
		} else if out.Len() > 0 {
			t.Fatalf("%v: %s", err, out)
		}
		b, err := Load(dir, "p")
		switch {
		case err == nil:
			b.Close()
			dg.wantWhole(t, dir, nil)
			states["bundle"]++
		case errors.Is(err, ErrNoBundle):
			states["none"]++
		default:
			t.Fatal(err)
		}
		// The next run puts things right before it does anything else.
		w, err := Create(dir, Options{Prefix: "other"})
		must(t, err)
		must(t, w.Abort())
		b, err = Load(dir, "p")
		must(t, err)
		for _, s := range []int{last, seed} {
			im := &image{parts: 5, seed: uint64(s), zero: map[int]bool{3: true}}
			if b.Manifest().Parts[0].SHA256 == im.sums()[0] {
				last = s
			}
		}
		b.Close()
		dg.wantWhole(t, dir, &image{parts: 5, seed: uint64(last), zero: map[int]bool{3: true}})
	}
	t.Log(states)
	if states["done"] == 20 || states["done"] == 0 && states["bundle"] == 0 {
		t.Error("no run was killed, or none got anywhere")
	}
}

// crashFS is a kind of file system to lose power on.
type crashFS struct {
	name string
	size int64
	mkfs []string
	opts string   // of mount(8)
	fsck []string // before the mount after a crash; exit status 0 and 1 are good
}

var crashFSs = []crashFS{
	{"ext4", 48 << 20, []string{"mkfs.ext4", "-q", "-E", "lazy_itable_init=0"}, "loop", nil},
	{"ext4 without journal", 48 << 20, []string{"mkfs.ext4", "-q", "-O", "^has_journal", "-E", "lazy_itable_init=0"}, "loop", []string{"e2fsck", "-fy"}},
	{"xfs", 300 << 20, []string{"mkfs.xfs", "-q"}, "loop,nouuid", nil},
	{"btrfs", 120 << 20, []string{"mkfs.btrfs", "-q"}, "loop", nil},
}

// TestPowerLoss copies the disk before each change of the directory, and mounts
// each copy: what is on it is as Writer promises, nothing counts that was not synced.
func TestPowerLoss(t *testing.T) {
	if testing.Short() {
		t.Skip("one worker: nothing goes on beside it")
	}
	for _, fs := range crashFSs {
		t.Run(fs.name, func(t *testing.T) {
			need(t, os.Geteuid() == 0, "needs root to mount")
			needTool(t, fs.mkfs[0], "mount", "fallocate")
			for _, o := range []older{{"none", 0}, {"larger", 4}} {
				t.Run("older "+o.name, func(t *testing.T) { losePower(t, fs, o) })
			}
		})
	}
}

func losePower(t *testing.T, fs crashFS, o older) {
	work := t.TempDir()
	disk := filepath.Join(work, "disk")
	must(t, os.WriteFile(disk, nil, 0o600))
	must(t, os.Truncate(disk, fs.size))
	run(t, fs.mkfs[0], append(fs.mkfs[1:len(fs.mkfs):len(fs.mkfs)], disk)...)
	run(t, "fallocate", "--dig-holes", disk) // mkfs.xfs writes 64 MiB of zeros
	mnt := filepath.Join(work, "mnt")
	must(t, os.Mkdir(mnt, 0o755))
	run(t, "mount", "-o", "loop", disk, mnt)
	unmount := sync.OnceFunc(func() { run(t, "umount", mnt) })
	t.Cleanup(unmount)

	dir := filepath.Join(mnt, "dest")
	must(t, os.Mkdir(dir, 0o755))
	im := o.prepare(t, dir)
	run(t, "sync", "-f", mnt)
	var copies []string // "": like the one before
	var before []string // change that a copy was made before
	var last map[int64][]byte
	snapshot := func(op, name string) error {
		data := diskNow(t, disk)
		copies, before = append(copies, ""), append(before, op+" "+name)
		if !reflect.DeepEqual(data, last) {
			copies[len(copies)-1] = writeDisk(t, data, fs.size)
			last = data
		}
		return nil
	}
	w, err := Create(dir, Options{Prefix: "p", Force: true, Workers: 1})
	must(t, err)
	must(t, fillAll(t.Context(), w, newer()))
	onChange(w, snapshot)
	must(t, w.Commit(t.Context(), testManifest()))
	must(t, snapshot("the", "end"))
	unmount()

	states, state := make(map[string]int), ""
	for i, c := range copies {
		if c != "" {
			t.Run(before[i], func(t *testing.T) { state = mountCopy(t, fs, c, im) })
		}
		states[state]++
	}
	t.Log(states)
	if state != "newer" || states["none"] == 0 || im != nil && states["older"] == 0 {
		t.Errorf("at the end there is %s, and not every state was seen before", state)
	}
}

// diskNow reads a disk that is in use as it is at one moment: until two readings
// are equal. Holes are left out; the key is the offset.
func diskNow(t testing.TB, disk string) map[int64][]byte {
	t.Helper()
	one := readData(t, disk)
	for {
		two := readData(t, disk)
		if reflect.DeepEqual(one, two) {
			return one
		}
		one = two
	}
}

// readData reads what is not a hole, by offset.
func readData(t testing.TB, name string) map[int64][]byte {
	t.Helper()
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	data := make(map[int64][]byte)
	for end := int64(0); ; {
		off, err := f.Seek(end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return data
		}
		must(t, err)
		end, err = f.Seek(off, unix.SEEK_HOLE)
		must(t, err)
		data[off] = make([]byte, end-off)
		_, err = f.ReadAt(data[off], off)
		must(t, err)
	}
}

// writeDisk writes what readData read to a file of so many bytes.
func writeDisk(t testing.TB, data map[int64][]byte, size int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "copy")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(size))
	for off, p := range data {
		_, err := f.WriteAt(p, off)
		must(t, err)
	}
	return name
}

// mountCopy mounts a copy and checks what is on it.
func mountCopy(t *testing.T, fs crashFS, disk string, old *image) (state string) {
	if fs.fsck != nil {
		out, err := exec.Command(fs.fsck[0], append(fs.fsck[1:len(fs.fsck):len(fs.fsck)], disk)...).CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() > 1) {
			t.Fatalf("%s: %v\n%s", fs.fsck[0], err, out)
		}
	}
	if fs.name == "btrfs" { // a copy that the kernel has seen must not stand for this older one
		_ = exec.Command("btrfs", "device", "scan", "--forget").Run()
	}
	mnt := t.TempDir()
	mount(t, mnt, "-o", fs.opts, disk)
	return make(digests).wantPromise(t, filepath.Join(mnt, "dest"), old, newer())
}
