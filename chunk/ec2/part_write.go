package ec2

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

// partWriter encrypts what is written to it and cuts it into parts. After stop,
// it writes nothing, whoever still has something to write.
type partWriter struct {
	mu sync.Mutex

	out     *output
	prefix  string
	session *session
	mode    cipher.BlockMode

	buf   []byte // plain text that fills no cipher block yet, or not enough of them
	file  *os.File
	room  int64 // bytes that fit in file
	sum   hash.Hash
	sums  []string // digests of the parts that are complete
	begun int      // parts that have a file
	total int64    // bytes written
	err   error    // the first error; nothing is written after it
}

func (p *partWriter) begin() {
	p.mode = p.session.encrypter()
	p.buf = make([]byte, 0, 64<<10)
}

// temp is the temporary name of part i: the number of parts is not known yet.
func (p *partWriter) temp(i int) string {
	return tempName(fmt.Sprintf("%s%s%d", p.prefix, partInfix, i))
}

func (p *partWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(b)
	for len(b) > 0 && p.err == nil {
		k := min(len(b), cap(p.buf)-len(p.buf))
		p.buf = append(p.buf, b[:k]...)
		b = b[k:]
		if len(p.buf) == cap(p.buf) {
			p.flush()
		}
	}
	if p.err != nil {
		return 0, p.err
	}
	return n, nil
}

// stop makes err the error of all further writes, if there is none, and returns
// the one that there is.
func (p *partWriter) stop(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	return p.err
}

// flush encrypts the buffer, whole cipher blocks, and writes it to the parts.
func (p *partWriter) flush() {
	p.mode.CryptBlocks(p.buf, p.buf)
	for b := p.buf; len(b) > 0 && p.err == nil; {
		if p.file == nil {
			p.next()
			continue
		}
		k := min(int64(len(b)), p.room)
		if _, err := p.file.Write(b[:k]); err != nil {
			p.err = fail("write", p.shown(p.begun-1), err)
			return
		}
		p.sum.Write(b[:k])
		b = b[k:]
		p.room -= k
		p.total += k
		if p.room == 0 {
			p.closePart()
		}
	}
	p.buf = p.buf[:0]
}

// shown is the name that a part will have, or nearly, for messages.
func (p *partWriter) shown(i int) string {
	return p.out.join(fmt.Sprintf("%s%s%d", p.prefix, partInfix, i))
}

// next begins a part.
func (p *partWriter) next() {
	if p.file, p.err = p.out.create(p.temp(p.begun)); p.err != nil {
		return
	}
	p.begun++
	p.room, p.sum = chunk.Size, sha1.New()
}

func (p *partWriter) closePart() {
	if p.file == nil {
		return
	}
	// The fsync of sync then has little to do; its errors are that one's.
	_ = unix.SyncFileRange(int(p.file.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
	err := p.file.Close()
	p.file = nil
	if p.err == nil {
		p.err = fail("close", p.shown(p.begun-1), err)
	}
	p.sums = append(p.sums, hex.EncodeToString(p.sum.Sum(nil)))
}

// finish pads (PKCS #7: n bytes of value n, a whole block where nothing is
// missing) and closes the last part.
func (p *partWriter) finish() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := aes.BlockSize - len(p.buf)%aes.BlockSize
	for range n {
		p.buf = append(p.buf, byte(n))
	}
	p.flush()
	p.closePart()
	return p.err
}

// sync makes the parts last through a power loss.
func (p *partWriter) sync(ctx context.Context) error {
	for i := range p.begun {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fd, err := unix.Openat(p.out.fd(), p.temp(i), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return fail("open", p.shown(i), err)
		}
		err = unix.Fsync(fd)
		unix.Close(fd)
		if err != nil {
			return fail("sync", p.shown(i), err)
		}
	}
	return nil
}

// discard removes the parts.
func (p *partWriter) discard() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != nil {
		p.file.Close()
		p.file = nil
	}
	var all []error
	for i := range p.begun {
		all = append(all, p.out.remove(p.temp(i)))
	}
	return errors.Join(all...)
}
