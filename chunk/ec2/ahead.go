package ec2

import (
	"io"

	"purebundle/chunk/work"
)

// ahead reads from r in a goroutine of its own, so that whoever reads from it
// and r work at the same time. stop must be called; r is not used after it.
type ahead struct {
	full  chan filled
	free  chan []byte
	quit  chan struct{}
	done  chan struct{}
	now   filled
	whole []byte // the buffer of now
}

type filled struct {
	p   []byte
	err error
}

// newAhead keeps up to count buffers of size bytes.
func newAhead(r io.Reader, count, size int) *ahead {
	a := &ahead{full: make(chan filled, count), free: make(chan []byte, count), quit: make(chan struct{}), done: make(chan struct{})}
	for range count {
		a.free <- make([]byte, size)
	}
	go func() {
		defer close(a.done)
		if p := work.Catch(func() { a.fill(r) }); p != nil {
			select {
			case a.full <- filled{nil, p}:
			case <-a.quit:
			}
		}
	}()
	return a
}

// fill reads until r ends or stop is called.
func (a *ahead) fill(r io.Reader) {
	for {
		select {
		case buf := <-a.free:
			n, err := 0, error(nil)
			for n < len(buf) && err == nil { // io.ReadFull would hide a cut stream
				var k int
				k, err = r.Read(buf[n:])
				n += k
			}
			a.full <- filled{buf[:n], err}
			if err != nil {
				return
			}
		case <-a.quit:
			return
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.now.p) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.whole != nil {
			a.free <- a.whole[:cap(a.whole)]
		}
		a.now = <-a.full
		a.whole = a.now.p
	}
	n := copy(p, a.now.p)
	a.now.p = a.now.p[n:]
	return n, nil
}

// stop ends the goroutine and waits for it.
func (a *ahead) stop() {
	close(a.quit)
	<-a.done
}
