package chunk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// ramDir returns t.TempDir() in memory, if there is such a directory: for tests that
// sync hundreds of times and do not mean the device.
func ramDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "purebundle")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// older says what is in the directory before the run that is broken.
type older struct {
	name  string
	parts int // of an older bundle; 0: none
}

var olders = []older{{"none", 0}, {"smaller", 1}, {"larger", 4}}

// prepare makes the older bundle, if any, in dir.
func (o older) prepare(t testing.TB, dir string) *image {
	t.Helper()
	if o.parts == 0 {
		return nil
	}
	im := &image{parts: o.parts, seed: 1, zero: map[int]bool{1: true}}
	build(t, dir, im, Options{Prefix: "p"})
	return im
}

// wantOlder checks that dir has the older bundle, or nothing, and nothing else.
func wantOlder(t testing.TB, dir string, im *image) {
	t.Helper()
	if im == nil {
		wantNames(t, dir)
		return
	}
	digests{}.wantWhole(t, dir, im)
}

// digests remembers the digests of files by identity and mtime: the tests that
// look at hundreds of crashed directories made of hard links hash each file once.
type digests map[[3]int64]string

func (d digests) of(t testing.TB, path string) string {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	sys := st.Sys().(*syscall.Stat_t)
	if sys.Blocks == 0 && st.Size() == Size {
		return fmt.Sprintf("%d %s", Size, ZeroSum) // nothing but a hole
	}
	key := [3]int64{int64(sys.Dev), int64(sys.Ino), st.ModTime().UnixNano()}
	if d[key] == "" {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		d[key] = fmt.Sprintf("%d %x", len(data), sha256.Sum256(data))
	}
	return d[key]
}

// wantWhole checks that the manifest of bundle "p" in dir is that of im, if im
// is not nil, and that all parts are what it says.
func (d digests) wantWhole(t testing.TB, dir string, im *image) {
	t.Helper()
	b, err := Load(dir, "p")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.verifySums(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, p := range b.manifest.Parts {
		if got := d.of(t, filepath.Join(dir, p.Name)); got != fmt.Sprintf("%d %s", Size, p.SHA256) {
			t.Fatalf("%s is %s, the manifest says %s", p.Name, got, p.SHA256)
		}
		if im != nil && im.sums()[i] != p.SHA256 {
			t.Fatalf("%s is not of the bundle that was expected", p.Name)
		}
	}
	if im != nil {
		wantNames(t, dir, bundleNames("p", im.parts)...)
	}
}

// sums returns the digests of the parts of im.
func (im *image) sums() []string {
	if im.cached == nil {
		for i := range im.parts {
			if im.zero[i] {
				im.cached = append(im.cached, ZeroSum)
				continue
			}
			im.cached = append(im.cached, fmt.Sprintf("%x", sha256.Sum256(im.part(i))))
		}
	}
	return im.cached
}

// newer returns the image of the run that is broken.
func newer() *image { return &image{parts: 3, seed: 2, zero: map[int]bool{2: true}} }

// made returns a Writer with all parts of newer made.
func made(t testing.TB, dir string) *Writer {
	t.Helper()
	w, err := Create(dir, Options{Prefix: "p", Force: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Abort() })
	if err := fillAll(t.Context(), w, newer()); err != nil {
		t.Fatal(err)
	}
	return w
}

// TestCommitFault lets each change of the directory fail in turn during a commit of
// fewer parts than there are: with an error, everything is as before. See
// TestSquaresFault for more parts, or none before.
func TestCommitFault(t *testing.T) {
	t.Parallel()
	first := ramDir(t)
	im := olders[2].prepare(t, first)
	for at := 1; ; at++ {
		dir := filepath.Join(ramDir(t), "dest")
		copyDir(t, first, dir)
		w := made(t, dir)
		n, failed := 0, ""
		onChange(w, func(op, name string) error {
			if n++; n == at {
				failed = op + " " + name
				return syscall.ENOSPC
			}
			return nil
		})
		err := w.Commit(t.Context(), testManifest())
		if failed == "" {
			if err != nil {
				t.Fatal(err)
			}
			wantBundle(t, dir, "p", newer())
			if at < 10 {
				t.Errorf("only %d changes could fail", n)
			}
			return
		}
		if _, left := errors.AsType[*LeftoverError](err); left {
			if b, err := Load(dir, "p"); err != nil || b.Verify(t.Context(), 0, nil) != nil {
				t.Fatalf("%s: new bundle is not whole: %v", failed, err)
			}
			digests{}.recovered(t, dir, newer())
			continue
		}
		if errors.Is(err, ErrExists) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("%s: %v", failed, err)
		}
		wantError(t, err, dir, "no space left on device")
		wantOlder(t, dir, im)
	}
}

// recovered lets the next run clean up, and checks what is there then.
func (d digests) recovered(t testing.TB, dir string, im *image) {
	t.Helper()
	w, err := Create(dir, Options{Prefix: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if im == nil {
		wantNames(t, dir)
		return
	}
	d.wantWhole(t, dir, im)
}

// copyDir copies a directory by hard links: a copy of the names, as a crash would leave them.
func copyDir(t testing.TB, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.Link(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// wantPromise checks what Writer promises of a crash: under the final names is
// the older bundle, the newer, or no manifest; the next Create puts back the
// older or keeps the newer. It says which.
func (d digests) wantPromise(t testing.TB, dir string, old, new *image) (state string) {
	t.Helper()
	b, err := Load(dir, "p")
	switch {
	case err == nil:
		state = "older"
		if b.Manifest().Parts[0].SHA256 == new.sums()[0] {
			state = "newer"
		}
		b.Close()
		d.wantWhole(t, dir, nil)
	case errors.Is(err, ErrNoBundle):
		if names, _ := os.ReadDir(dir); len(names) > 0 {
			wantError(t, err, "run") // says where it comes from
		}
		state = "none"
	default:
		t.Fatal(err)
	}
	if state == "newer" {
		d.recovered(t, dir, new)
	} else {
		d.recovered(t, dir, old)
	}
	return state
}

// TestCommitCrash looks at what is there before each change of the directory, as
// if the program had been killed: see wantPromise. It then kills the repair as well.
func TestCommitCrash(t *testing.T) {
	t.Parallel()
	for _, o := range olders {
		t.Run(o.name, func(t *testing.T) {
			dir := filepath.Join(ramDir(t), "dest")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			im := o.prepare(t, dir)
			w := made(t, dir)
			var crashes []string
			onChange(w, func(op, name string) error {
				to := filepath.Join(ramDir(t), "crash")
				copyDir(t, dir, to)
				crashes = append(crashes, to)
				return nil
			})
			if err := w.Commit(t.Context(), testManifest()); err != nil {
				t.Fatal(err)
			}
			var states []string
			dg, fresh := make(digests), newer()
			for _, crash := range crashes {
				dg.crashRepair(t, crash, im, fresh)
				states = append(states, dg.wantPromise(t, crash, im, fresh))
			}
			states = slices.Compact(states)
			want := map[bool][]string{true: {"older", "none", "newer"}, false: {"none", "newer"}}[im != nil]
			if !slices.Equal(states, want) {
				t.Errorf("states %q, want %q", states, want)
			}
		})
	}
}

// crashRepair kills the repair of a crashed commit at each of its changes.
func (dg digests) crashRepair(t testing.TB, dir string, old, new *image) {
	t.Helper()
	work := filepath.Join(ramDir(t), "work")
	copyDir(t, dir, work)
	var crashes []string
	settle(t, work, func(op, name string) error {
		to := filepath.Join(ramDir(t), "crash")
		copyDir(t, work, to)
		crashes = append(crashes, to)
		return nil
	})
	for _, crash := range crashes {
		dg.wantPromise(t, crash, old, new)
	}
}

// TestUndoFault: where even the undoing fails, the next run makes good.
func TestUndoFault(t *testing.T) {
	t.Parallel()
	states := make(map[string]int)
	first := ramDir(t)
	im := olders[2].prepare(t, first)
	for at := 5; ; at++ {
		dir := filepath.Join(ramDir(t), "dest")
		copyDir(t, first, dir)
		w := made(t, dir)
		n := 0
		onChange(w, func(op, name string) error {
			if n++; n >= at {
				return syscall.EIO
			}
			return nil
		})
		err := w.Commit(t.Context(), testManifest())
		if n < at {
			break
		}
		if err == nil {
			t.Fatal("no error")
		}
		wantError(t, err, "input/output error")
		// An error in the very last sync may leave the newer one.
		states[make(digests).wantPromise(t, dir, im, newer())]++
	}
	if states["older"] == 0 || states["none"]+states["newer"] == 0 {
		t.Errorf("not every state was seen: %v", states)
	}
}

func TestCommitIncomplete(t *testing.T) {
	for _, tt := range []struct {
		name      string
		parts     []int
		preflight int
		want      string
	}{
		{"none", nil, 0, "image.size 0"},
		{"hole", []int{0, 2}, 0, "p.part.001: was never made"},
		{"short", []int{0, 1}, 3, "2 parts made of 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			w, err := Create(dir, Options{Prefix: "p"})
			if err != nil {
				t.Fatal(err)
			}
			if tt.preflight > 0 {
				if err := w.Preflight(tt.preflight, 0); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Write(t.Context(), newer(), tt.parts, nil); err != nil {
				t.Fatal(err)
			}
			err = w.Commit(t.Context(), testManifest())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			wantNames(t, dir)
			if err := w.Commit(t.Context(), testManifest()); err == nil {
				t.Error("second commit worked")
			}
			if err := w.Write(t.Context(), newer(), []int{0}, nil); !errors.Is(err, os.ErrClosed) {
				t.Errorf("write after the end: %v", err)
			}
			wantNames(t, dir)
		})
	}
}

func TestCommitCancelled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dest")
	w := made(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Commit(ctx, testManifest()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
}

// TestAppeared: somebody put files of that prefix there during the run.
func TestAppeared(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{Prefix: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if err := fillAll(t.Context(), w, newer()); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, "p.part.001")
	if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = w.Commit(t.Context(), testManifest())
	if !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), foreign) { // what replaces it is the caller's to say
		t.Errorf("got %v", err)
	}
	wantNames(t, dir, "p.part.001")
}

// TestJournalDamage: a journal that we did not write is not acted on.
func TestJournalDamage(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no end": "purebundle commit 1\n" + "p.part.000\n", "no head": "p.part.000\n" + "end\n",
		"path": "purebundle commit 1\n" + "../x\n" + "end\n", "other prefix": "purebundle commit 1\n" + "q.part.000\n" + "end\n",
		"other version": "purebundle commit 2\n" + "end\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			journal := filepath.Join(dir, journalName("p"))
			if err := os.WriteFile(journal, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Create(dir, Options{Prefix: "p"})
			wantError(t, err, journal)
			wantNames(t, dir, journalName("p"))
		})
	}
}

// shortImage ends in the middle of a part.
type shortImage struct{}

func (shortImage) ReadAt(p []byte, off int64) (int, error) { return len(p) / 2, io.EOF }

func TestWriteShort(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{Prefix: "p"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(t.Context(), shortImage{}, []int{0}, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v", err)
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	wantNames(t, dir)
}
