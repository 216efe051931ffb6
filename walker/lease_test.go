package walker

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// leaseHelper takes a lease on the file in sourceEnv. If its name is "leased", the lease is given back a moment after the kernel asks; else it
// is kept until the helper is killed.
func leaseHelper() error {
	name := os.Getenv(sourceEnv)
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	asked := make(chan os.Signal, 10)
	signal.Notify(asked, unix.SIGIO)
	if _, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK); err != nil {
		return err
	}
	fmt.Println("ready")
	for range asked {
		if strings.HasSuffix(name, "/leased") {
			time.Sleep(100 * time.Millisecond)
			_, _ = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_UNLCK)
		}
	}
	return f.Close()
}

// TestLease opens a file that an ordinary user has a lease on, as Samba has for a client: it is given back when the kernel asks, a moment
// later, or not at all.
func TestLease(t *testing.T) {
	needRoot(t)
	for _, g := range guards() {
		t.Run(g.name, func(t *testing.T) {
			dir := imgtest.UserDir(t)
			imgtest.AsUser(t, func() { makeTree(t, dir, "leased=text", "kept=text") })
			res := walk(t, dir, Options{mode: g.mode})
			startAs(t, "lease", sourceEnv+"="+filepath.Join(dir, "leased"))
			f, err := openFile(res.Tree, "/leased")
			must(t, err)
			f.Close()

			startAs(t, "lease", sourceEnv+"="+filepath.Join(dir, "kept"))
			if _, err := openFile(res.Tree, "/kept"); !errors.Is(err, unix.EAGAIN) {
				t.Errorf("%v, want that it is not to be had", err)
			}
			r := res.Tree.roots[0]
			if n := time.Duration(r.waited.Load()); n < maxLeaseWait {
				t.Errorf("waited %v", n)
			}
			r.waited.Store(int64(maxWaits))
			if _, err := openFile(res.Tree, "/kept"); !errors.Is(err, unix.EAGAIN) || r.waited.Load() != int64(maxWaits) {
				t.Errorf("%v after %v in all, want no more waiting", err, time.Duration(r.waited.Load()))
			}
		})
	}
}
