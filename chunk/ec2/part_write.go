package ec2

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// cipherLen is how much is encrypted and hashed at once, in bytes: small enough to
// stay in the processor's cache.
const cipherLen = 64 << 10

// partWriter encrypts what is written to it and cuts it into parts, each of which
// goes to the stage when it is full. After stop, it writes nothing, whoever still
// has something to write.
type partWriter struct {
	ctx     context.Context
	stage   chunk.Stage
	prefix  string
	session *session
	mode    cipher.BlockMode
	bufs    work.Buffers
	flight  chan struct{} // one for each part on its way
	sending sync.WaitGroup

	mu    sync.Mutex
	buf   []byte // of the part that is being filled; nil: none
	fill  int    // bytes in it
	dark  int    // of those, encrypted and hashed
	sum   hash.Hash
	sums  []string // digests of the parts that are full
	total int64    // bytes of those
	err   error    // the first error; nothing is written after it
}

func newPartWriter(ctx context.Context, stage chunk.Stage, prefix string, writers int) *partWriter {
	s := newSession()
	return &partWriter{ctx: ctx, stage: stage, prefix: prefix, session: s, mode: s.encrypter(), flight: make(chan struct{}, writers)}
}

// item returns part i as the stage knows it: the number of parts, and with it the
// width of the number in the name, is not known yet.
func (p *partWriter) item(i int) chunk.Item {
	name := fmt.Sprintf("%s%s%d", p.prefix, partInfix, i)
	return chunk.Item{Key: name, Name: name}
}

func (p *partWriter) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(b)
	for len(b) > 0 && p.err == nil {
		if p.buf == nil {
			if p.buf, p.err = p.bufs.Get(chunk.Size); p.err != nil {
				break
			}
			p.fill, p.dark, p.sum = 0, 0, sha1.New()
		}
		k := copy(p.buf[p.fill:min(p.dark+cipherLen, chunk.Size)], b)
		p.fill += k
		b = b[k:]
		if p.fill == min(p.dark+cipherLen, chunk.Size) {
			p.encrypt()
		}
		if p.fill == chunk.Size {
			p.send()
		}
	}
	if p.err != nil {
		return 0, p.err
	}
	return n, nil
}

// encrypt encrypts what is not encrypted yet, whole cipher blocks.
func (p *partWriter) encrypt() {
	b := p.buf[p.dark:p.fill]
	p.mode.CryptBlocks(b, b)
	p.sum.Write(b)
	p.dark = p.fill
}

// send gives the part in the buffer to the stage, and waits only if too many are
// on their way.
func (p *partWriter) send() {
	buf, it := p.buf[:p.fill], p.item(len(p.sums))
	p.buf = nil
	p.sums = append(p.sums, hex.EncodeToString(p.sum.Sum(nil)))
	p.total += int64(len(buf))
	p.mu.Unlock()
	p.flight <- struct{}{}
	p.mu.Lock()
	if p.err != nil {
		<-p.flight
		p.bufs.Put(buf[:chunk.Size])
		return
	}
	p.sending.Go(func() {
		defer func() { <-p.flight }()
		_, err := p.stage.Put(p.ctx, it, buf)
		p.bufs.Put(buf[:chunk.Size])
		if err != nil {
			_ = p.stop(err)
		}
	})
}

// stop makes err the error of all further writes, unless one came before it, and
// returns the one that counts.
func (p *partWriter) stop(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	return p.err
}

// finish pads (PKCS #7: n bytes of value n, a whole block if nothing is missing),
// sends the last part and waits until all are there.
func (p *partWriter) finish() error {
	p.mu.Lock()
	n := aes.BlockSize - p.fill%aes.BlockSize
	p.mu.Unlock()
	pad := make([]byte, n)
	for i := range pad {
		pad[i] = byte(n)
	}
	if _, err := p.Write(pad); err != nil {
		return err
	}
	p.mu.Lock()
	if p.err == nil && p.buf != nil {
		p.encrypt()
		p.send()
	}
	p.mu.Unlock()
	p.sending.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
