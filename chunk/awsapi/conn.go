package awsapi

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a connection that fails once nothing has moved on it for a while, in
// either direction: bytes that were read, or bytes that the other side has
// acknowledged (TIOCOUTQ, tcp(7), says how many it has not). So an upload may be
// slow, but may not stand still, whatever the buffers between hold.
type conn struct {
	net.Conn
	raw   syscall.RawConn // nil if the connection has no descriptor
	stall time.Duration

	mu    sync.Mutex
	in    int64     // bytes read
	out   int64     // bytes given to the kernel
	moved int64     // in + out - unsent, when last looked at
	at    time.Time // when moved last grew
	first error     // the first that is not about it being closed on this side
}

// StallError says that a connection stood still.
type StallError struct{ After time.Duration }

func (e *StallError) Error() string { return fmt.Sprintf("no byte moved for %v", e.After) }

// Timeout makes it a net.Error.
func (e *StallError) Timeout() bool { return true }

// Temporary makes it a net.Error.
func (e *StallError) Temporary() bool { return true }

func newConn(c net.Conn, stall time.Duration) *conn {
	out := &conn{Conn: c, stall: stall, at: time.Now()}
	if sc, ok := c.(syscall.Conn); ok {
		out.raw, _ = sc.SyscallConn()
	}
	return out
}

// tick returns when a transfer that waits looks again whether something moved.
func (c *conn) tick() time.Time { return time.Now().Add(c.stall / 8) }

func (c *conn) Read(p []byte) (int, error) {
	for {
		if err := c.SetReadDeadline(c.tick()); err != nil {
			return 0, c.why(err)
		}
		n, err := c.Conn.Read(p)
		c.count(n, 0)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, c.why(err)
		}
		if c.stalled() {
			return 0, c.why(&StallError{c.stall})
		}
	}
}

func (c *conn) Write(p []byte) (n int, err error) {
	for {
		if err := c.SetWriteDeadline(c.tick()); err != nil {
			return n, c.why(err)
		}
		m, err := c.Conn.Write(p[n:])
		c.count(0, m)
		n += m
		if n == len(p) || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, c.why(err)
		}
		if c.stalled() {
			return n, c.why(&StallError{c.stall})
		}
	}
}

func (c *conn) count(in, out int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if in+out > 0 && c.in+c.out == c.moved {
		c.at = time.Now() // it was idle
	}
	c.in += int64(in)
	c.out += int64(out)
}

// stalled says whether nothing has moved for as long as that may be.
func (c *conn) stalled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	moved := c.in + c.out - c.unsent()
	if moved != c.moved {
		c.moved, c.at = moved, time.Now()
	}
	return time.Since(c.at) >= c.stall
}

// why returns err, or the error before it if err is only that the connection was
// closed because of that: who reads finds out first and closes it, and who writes
// is to say the same.
func (c *conn) why(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
	case errors.Is(err, io.EOF):
		c.first = cmp.Or(c.first, error(syscall.ECONNRESET)) // as far as a writer is concerned
	case !errors.Is(err, net.ErrClosed):
		c.first = cmp.Or(c.first, err)
	case c.first != nil:
		return c.first
	}
	return err
}

// unsent returns how many bytes the other side has not acknowledged.
func (c *conn) unsent() int64 {
	if c.raw == nil {
		return 0
	}
	var n int
	err := c.raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	if err != nil {
		return 0
	}
	return int64(n)
}
