package walker

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestLease opens a file that somebody has a lease on, as Samba has for a client: it is given back when the kernel asks, a moment later.
func TestLease(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "leased=text", "kept=text")
	lease := func(name string) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
		must(t, err)
		t.Cleanup(func() { f.Close() })
		_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
		must(t, err)
		return f
	}
	asked := make(chan os.Signal, 10)
	signal.Notify(asked, unix.SIGIO)
	defer signal.Stop(asked)
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			if g.mode == cloneMode {
				needRoot(t)
			}
			res := walk(t, dir, Options{mode: g.mode})
			leased := lease("leased")
			var holder sync.WaitGroup
			holder.Go(func() {
				<-asked
				time.Sleep(100 * time.Millisecond)
				_, _ = unix.FcntlInt(leased.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
			})
			f, err := openFile(res.Tree, "/leased")
			must(t, err)
			f.Close()
			holder.Wait()
			leased.Close()

			kept := lease("kept")
			if _, err := openFile(res.Tree, "/kept"); !errors.Is(err, unix.EAGAIN) {
				t.Errorf("%v, want that it is not to be had", err)
			}
			<-asked
			r := res.Tree.roots[0]
			if n := time.Duration(r.waited.Load()); n < maxLeaseWait {
				t.Errorf("waited %v", n)
			}
			r.waited.Store(int64(maxWaits))
			if _, err := openFile(res.Tree, "/kept"); !errors.Is(err, unix.EAGAIN) || r.waited.Load() != int64(maxWaits) {
				t.Errorf("%v after %v in all, want no more waiting", err, time.Duration(r.waited.Load()))
			}
			kept.Close()
		})
	}
}
