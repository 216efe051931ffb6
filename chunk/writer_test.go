package chunk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestTwoRuns: of two runs to one directory the second says so, whatever its prefix.
func TestTwoRuns(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{Prefix: "p"})
	must(t, err)
	must(t, fillAll(t.Context(), w, newer()))
	for _, opt := range []Options{{Prefix: "p"}, {Prefix: "p", Force: true}, {Prefix: "q"}} {
		_, err := Create(dir, opt)
		wantError(t, err, dir, "another run")
		if !errors.Is(err, ErrBusy) {
			t.Errorf("not ErrBusy: %v", err)
		}
	}
	must(t, w.Commit(t.Context(), testManifest()))
	digests{}.wantWhole(t, dir, newer())

	// Between processes as well.
	w, err = Create(dir, Options{Prefix: "p", Force: true})
	must(t, err)
	cmd, out := child(t, dir, 5)
	if cmd.Wait() == nil || !strings.Contains(out.String(), "another run") {
		t.Errorf("the other process said %q", out)
	}
	must(t, w.Abort())
	digests{}.wantWhole(t, dir, newer())
}

// TestManyRuns: runs that make and remove the same directory do not trip over
// one another: each works or says busy.
func TestManyRuns(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "dest")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				w, err := Create(dir, Options{Prefix: "p"})
				if errors.Is(err, ErrBusy) {
					continue
				}
				if err == nil {
					err = w.WriteZero(t.Context(), []int{0}, nil)
					err = errors.Join(err, w.Abort())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	// One may have made it and another have got the lock: then it stays, empty.
	if _, err := os.Stat(dir); err == nil {
		wantNames(t, dir)
	}
}

func TestAbort(t *testing.T) {
	top := t.TempDir()
	t.Run("removes what it made", func(t *testing.T) {
		w := made(t, top+"/a/b/c")
		must(t, w.Abort())
		must(t, w.Abort())
		wantNames(t, top)
	})
	t.Run("keeps a directory that was there", func(t *testing.T) {
		must(t, os.Mkdir(top+"/d", 0o755))
		must(t, made(t, top+"/d").Abort())
		wantNames(t, top+"/d")
	})
	t.Run("keeps a directory with other things", func(t *testing.T) {
		w := made(t, top+"/e/f")
		must(t, os.WriteFile(top+"/e/f/mine", nil, 0o600))
		must(t, w.Abort())
		wantNames(t, top+"/e/f", "mine")
	})
	t.Run("keeps an older bundle and others", func(t *testing.T) {
		dir := top + "/g"
		build(t, dir, newer(), Options{Prefix: "p"})
		must(t, os.WriteFile(dir+"/q.part.000", nil, 0o600))
		must(t, made(t, dir).Abort())
		wantNames(t, dir, append(bundleNames("p", 3), "q.part.000")...)
	})
}

// TestLeftovers: temporary files of any prefix go, other dot files stay.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	stay := []string{".hidden", ".purebundle", ".x.purebundle-join", "purebundle-new", "x.purebundle-new"}
	for _, name := range append(stay, partTemp("p", 3), partTemp("q", 0), tempName("p.sha256"), backupName("q.part.000"), tempName(journalName("r"))) {
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	w, err := Create(dir, Options{Prefix: "p"})
	must(t, err)
	must(t, w.Abort())
	wantNames(t, dir, stay...)
}

// TestCancel: a run that is stuck in a read ends soon after it is cancelled, and
// what the read does later leaves nothing behind.
func TestCancel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dest")
	w, err := Create(dir, Options{Prefix: "p", Workers: 2})
	must(t, err)
	stuck, release := make(chan bool), make(chan bool)
	im := newer()
	im.read = func(part int) error {
		if part == 1 {
			close(stuck)
			<-release
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	because := errors.New("because")
	go func() { <-stuck; cancel(because) }()
	begin := time.Now()
	err = w.Write(ctx, im, []int{0, 1, 2}, nil)
	if !errors.Is(err, because) {
		t.Errorf("got %v", err)
	}
	must(t, w.Abort())
	if took := time.Since(begin); took > time.Minute { // far above what it takes, for busy machines; the read lasts for ever
		t.Errorf("took %v", took)
	}
	close(release)
	time.Sleep(50 * time.Millisecond)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there: %v", dir, err)
	}
}

// TestReadError: the error of the image comes out as it is, and stops the others.
func TestReadError(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, Options{Prefix: "p", Workers: 1})
	must(t, err)
	broken := errors.New("read /etc/shadow: input/output error")
	im, reads := newer(), 0
	im.read = func(part int) error {
		if reads++; part == 1 {
			return broken
		}
		return nil
	}
	if err := w.Write(t.Context(), im, []int{0, 1, 2}, nil); err != broken {
		t.Errorf("got %v", err)
	}
	if reads != 2 {
		t.Errorf("%d reads", reads)
	}
	if err := w.WriteZero(t.Context(), []int{-1}, nil); err == nil {
		t.Error("made part -1")
	}
	must(t, w.Abort())
	wantNames(t, dir)
}

func TestStats(t *testing.T) {
	w := made(t, t.TempDir())
	s := w.Stats()
	if s.Parts != 3 || s.ZeroParts != 1 || s.Bytes <= 0 || s.Bytes >= 2*Size || s.Bytes%page != 0 {
		t.Errorf("%+v", s)
	}
}
