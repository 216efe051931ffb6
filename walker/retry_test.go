package walker

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRetry has calls that fail for a while: signals and renames elsewhere never matter, what somebody holds is waited for if there is time
// to wait, and other errors are said at once.
func TestRetry(t *testing.T) {
	for _, test := range []struct {
		name  string
		err   unix.Errno
		fails int  // calls
		waits bool // it may wait
		want  error
		calls int
	}{
		{"nothing", 0, 0, false, nil, 1},
		{"signals", unix.EINTR, 1000, false, nil, 1001},
		{"renames", unix.EAGAIN, maxDisturbed, false, nil, maxDisturbed + 1},
		{"renames without end", unix.EAGAIN, 1 << 30, false, unix.EAGAIN, maxDisturbed + 1},
		{"a lease that is given back", unix.EAGAIN, maxDisturbed + 3, true, nil, maxDisturbed + 4},
		{"busy for a moment", unix.EBUSY, 3, true, nil, 4},
		{"busy for good", unix.EBUSY, 1 << 30, true, unix.EBUSY, int(maxLeaseWait/leasePause) + 1},
		{"busy and no time", unix.EBUSY, 3, false, unix.EBUSY, 1},
		{"another error", unix.EIO, 3, true, unix.EIO, 1},
	} {
		var waited *atomic.Int64
		if test.waits {
			waited = new(atomic.Int64)
		}
		calls := 0
		fd, err := retry(waited, func() (int, error) {
			if calls++; calls <= test.fails {
				return -1, test.err
			}
			return 7, nil
		})
		if err != test.want || calls != test.calls || (err == nil) != (fd == 7) {
			t.Errorf("%s: %d, %v after %d calls, want %v after %d", test.name, fd, err, calls, test.want, test.calls)
		}
		if test.waits && test.want != unix.EIO && waited.Load() < int64(leasePause) || test.waits && waited.Load() > int64(maxLeaseWait+time.Second) {
			t.Errorf("%s: waited %v", test.name, time.Duration(waited.Load()))
		}
	}
}
