package awsapi

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// stall is how long a connection may stand still in these tests. Nothing is
// timed: only whether it is cut.
const stall = time.Second

// pair returns a connection and its other end.
func pair(t *testing.T) (*conn, *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return newConn(a, stall), b.(*net.TCPConn)
}

func wantStall(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*StallError](err); !ok {
		t.Errorf("error %v instead of a stall", err)
	}
}

func TestReadStalls(t *testing.T) {
	t.Parallel()
	c, other := pair(t)
	if _, err := other.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	p, err := io.ReadAll(c)
	if string(p) != "hello" {
		t.Errorf("read %q", p)
	}
	wantStall(t, err)
}

func TestWriteStalls(t *testing.T) {
	t.Parallel()
	c, _ := pair(t)
	n, err := c.Write(make([]byte, 64<<20)) // more than buffers hold
	if n == 0 || n == 64<<20 {
		t.Errorf("wrote %d bytes", n)
	}
	wantStall(t, err)
}

// A slow transfer in either direction is none that stalls, and who waits for an
// answer waits while the other side takes what it was sent.
func TestSlowIsNotStalled(t *testing.T) {
	t.Parallel()
	c, other := pair(t)
	_ = other.SetReadBuffer(16 << 10)
	size := 1 << 20
	answered := make(chan error, 1)
	go func() {
		_, err := io.ReadFull(c, make([]byte, 1))
		answered <- err
	}()
	go func() {
		left := size
		p := make([]byte, 64<<10)
		for left > 0 {
			n, err := other.Read(p)
			if err != nil {
				return
			}
			left -= n
			time.Sleep(stall / 10)
		}
		for range 5 {
			time.Sleep(stall / 4)
		}
	}()
	if n, err := c.Write(make([]byte, size)); n != size || err != nil {
		t.Fatalf("wrote %d bytes: %v", n, err)
	}
	select {
	case err := <-answered:
		// All was taken and then nothing came: it may be cut now, no earlier.
		if moved := c.out - c.unsent(); moved != int64(size) {
			t.Errorf("cut after %d of %d bytes: %v", moved, size, err)
		}
	case <-time.After(30 * time.Second):
		t.Error("not cut")
	}
}

func TestIdleIsNotStalledLater(t *testing.T) {
	t.Parallel()
	c, other := pair(t)
	go func() { _, _ = io.Copy(other, other) }()
	for range 3 {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(stall * 3 / 2) // idle: nobody reads or writes
	}
}
