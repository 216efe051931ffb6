package ec2

import (
	"bytes"
	"context"
	"crypto/rsa"
	"io"
	"os"

	"purebundle/chunk"
)

// madeParts reads the parts that a chunk.Writer has made, in ascending order.
type madeParts struct {
	w    *chunk.Writer
	file *os.File // of part
	part int
	gone int // parts below are dropped
}

// Made returns the image in the parts that w has made and not committed; size may be
// less than all of them. Each part is dropped once it has been read, so that raw
// parts and bundle together take little more disk than the raw parts did.
func Made(w *chunk.Writer, size int64) (Source, error) {
	m := &madeParts{w: w, part: -1}
	src := Source{Image: m, Size: size, Data: []Range{}, Consumed: m.consumed}
	for at := int64(0); at < size; at += chunk.Size {
		f, err := w.Open(int(at / chunk.Size))
		if err != nil {
			return src, err
		}
		data, err := FileData(f, min(chunk.Size, size-at))
		f.Close()
		if err != nil {
			return src, err
		}
		for _, r := range data {
			src.Data = append(src.Data, Range{at + r.Off, r.Len})
		}
	}
	return src, nil
}

func (m *madeParts) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		part, within := int((off+int64(n))/chunk.Size), (off+int64(n))%chunk.Size
		if m.file == nil || m.part != part {
			m.close()
			if m.file, err = m.w.Open(part); err != nil {
				m.file = nil
				return n, err
			}
			m.part = part
		}
		k, err := m.file.ReadAt(p[n:min(int64(len(p)), int64(n)+chunk.Size-within)], within)
		n += k
		if err != nil && err != io.EOF || k == 0 {
			return n, err
		}
	}
	return n, nil
}

func (m *madeParts) close() {
	if m.file != nil {
		m.file.Close()
		m.file = nil
	}
}

// consumed drops the parts that lie before off.
func (m *madeParts) consumed(off int64) error {
	for int64(m.gone+1)*chunk.Size <= off {
		if m.part == m.gone {
			m.close()
		}
		if err := m.w.Drop(m.gone); err != nil {
			return err
		}
		m.gone++
	}
	return nil
}

// Raw returns the image of a raw bundle, all of it read and checked once to know what
// is zero. done, if not nil, is told how many bytes have passed. With consume,
// parts are removed once they have been read again: then the bundle is one no
// longer, and if the run fails, neither bundle is whole.
func Raw(ctx context.Context, b *chunk.Bundle, consume Consume, done func(n int64)) (Source, error) {
	src := Source{Image: b, Size: b.Size()}
	var err error
	if src.Data, err = Scan(ctx, b, b.Size(), nil, done); err != nil || consume == Keep {
		return src, err
	}
	if err := b.Dismantle(); err != nil {
		return src, err
	}
	gone := 0
	src.Consumed = func(off int64) error {
		for ; int64(gone+1)*chunk.Size <= off; gone++ {
			if err := b.Drop(gone); err != nil {
				return err
			}
		}
		return nil
	}
	return src, nil
}

// Consume says what becomes of a raw bundle that is read.
type Consume int

const (
	Keep   Consume = iota // stays
	Remove                // goes, part by part
)

// ToParts makes the parts of a raw bundle from the image (see Read): w must be
// committed only if it returns nil. What the image lacks to whole parts is zero.
func (b *Bundle) ToParts(ctx context.Context, key *rsa.PrivateKey, w *chunk.Writer, done func(part int)) error {
	count := int((b.manifest.Size + chunk.Size - 1) / chunk.Size)
	if err := w.Preflight(count, min(b.manifest.BundledSize, b.manifest.Size)); err != nil {
		return err
	}
	p := &partFiller{ctx: ctx, w: w, buf: make([]byte, chunk.Size)}
	if err := b.Read(ctx, key, p.put, done); err != nil {
		return err
	}
	return p.upTo(count)
}

// partFiller collects ascending bytes into parts.
type partFiller struct {
	ctx  context.Context
	w    *chunk.Writer
	buf  []byte // of part next
	next int
	some bool // something is in buf
}

func (p *partFiller) put(b []byte, off int64) error {
	for len(b) > 0 {
		if err := p.upTo(int(off / chunk.Size)); err != nil {
			return err
		}
		n := copy(p.buf[off%chunk.Size:], b)
		p.some = true
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// upTo makes the parts before part: the one in buf, and zeros.
func (p *partFiller) upTo(part int) error {
	for ; p.next < part; p.next++ {
		var err error
		if p.some {
			err = p.w.Write(p.ctx, onePart{bytes.NewReader(p.buf), int64(p.next) * chunk.Size}, []int{p.next}, nil)
			clear(p.buf)
			p.some = false
		} else {
			err = p.w.WriteZero(p.ctx, []int{p.next}, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// onePart is an image of which one part is there, at off.
type onePart struct {
	r   io.ReaderAt
	off int64
}

func (o onePart) ReadAt(p []byte, off int64) (int, error) { return o.r.ReadAt(p, off-o.off) }
