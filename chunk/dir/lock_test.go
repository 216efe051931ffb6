package dir

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestLockWhileForking has files of a run that is over open in a child that is being started.
func TestLockWhileForking(t *testing.T) {
	path := t.TempDir()
	for range 2 {
		d, _, err := openLocked(path, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, fd := range []int{d.fd(), d.lock.fd} {
			child, err := unix.Dup(fd)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(child)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
