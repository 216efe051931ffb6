package imgtest

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// User is the number of an ordinary user, and of his group. He needs no account.
const User = 65534

// AsUser calls f as that user, in no other group and without any capability, on a
// thread that ends with f; what f starts is his as well. f may fail the test.
func AsUser(t testing.TB, f func()) {
	t.Helper()
	RequireRoot(t)
	err := onUserThread(f)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) // which a change of the user takes away from the process
	if err != nil {
		t.Fatal("be an ordinary user: ", err)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// onUserThread calls f on a thread that belongs to the user. It ends with its goroutine;
// the first thread of a process cannot end, and is kept busy if it is offered.
func onUserThread(f func()) error {
	done := make(chan error, 1)
	go func() {
		defer close(done) // also if f calls t.FailNow
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- onUserThread(f)
			runtime.UnlockOSThread()
			return
		}
		for _, call := range [][4]uintptr{
			{unix.SYS_SETGROUPS, 0, 0, 0},
			{unix.SYS_SETRESGID, User, User, User},
			{unix.SYS_SETRESUID, User, User, User},
		} {
			if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
				done <- errno
				return
			}
		}
		f()
	}()
	return <-done
}

// UserDir returns a temporary directory that belongs to the user, and opens the way to
// it to everybody.
func UserDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	OpenWay(t, dir)
	if err := os.Chown(dir, User, User); err != nil {
		t.Fatal(err)
	}
	return dir
}

// OpenWay lets everybody into a temporary directory of the test.
func OpenWay(t testing.TB, dir string) {
	t.Helper()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
