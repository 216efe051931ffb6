package ext2img

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"time"

	"golang.org/x/sys/unix"
)

// Opener opens a file of the source for reading, by its path in the image, and
// fills st as fstat(2) does. The image closes the file descriptor. Errors that
// are fs.ErrNotExist mean that the file has vanished, those that are ErrReplaced
// that the path leads to something that is no regular file any more. It is
// called by as many goroutines as read the image.
type Opener func(path string, st *unix.Stat_t) (fd int, err error)

// ErrReplaced is returned by an Opener, wrapped, if the path leads to
// something that is no regular file any more.
var ErrReplaced = errors.New("no regular file any more")

// clip is part of a file: where it goes and where it comes from.
type clip struct {
	dst []byte // whole blocks
	off int64  // bytes in the file, a multiple of BlockSize
	at  int64  // block of the image that it goes to
}

// fileRead gathers the clips of one file in one ReadAt, for one opening.
type fileRead struct {
	node   int32
	clips  []clip
	misfit bool     // what is there now does not fit in the blocks that were placed
	other  bool     // it is another file than at the walk
	attrs  *[]Xattr // of a file that is not as the walk saw it; nil: not asked for
	held   bool     // what is read stays in memory until it is known what became of the file
}

// clear makes all clips zero.
func (r *fileRead) clear() {
	for _, c := range r.clips {
		clear(c.dst)
	}
}

func (r *fileRead) add(n int32, c clip) {
	r.node = n
	r.clips = append(r.clips, c)
}

// sum returns a hash of what the clips hold.
func (r *fileRead) sum(seed maphash.Seed) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, c := range r.clips {
		h.Write(c.dst)
	}
	return h.Sum64()
}

// read fills the clips of a file and notes what became of it.
func (m *Image) read(r *fileRead) {
	blocks := int64(0)
	for _, c := range r.clips {
		blocks += int64(len(c.dst) / BlockSize)
	}
	nd := m.nodes.at(r.node)
	for _, s := range m.spans[nd.span : nd.span+nd.spans] {
		blocks -= int64(s.count)
	}
	if content, ok := m.content[r.node]; ok {
		for _, c := range r.clips {
			n := copy(c.dst, content[min(c.off, int64(len(content))):])
			clear(c.dst[n:])
		}
	} else {
		m.countRead(r)
		m.readSource(r, blocks == 0)
		if m.base != nil && m.base.Reread && nd.is(kept) {
			m.compareBase(r)
		}
	}
	*r = fileRead{clips: r.clips[:0], held: r.held}
}

// readSource fills the clips of a file from the source; whole says that they are all of it.
func (m *Image) readSource(r *fileRead, whole bool) {
	if !whole {
		m.readClip(r)
		return
	}
	if f := m.readWhole(r); f != nil {
		m.mu.Lock()
		m.live[r.node] = f
		m.mu.Unlock()
		if !r.held && (f.err != nil || f.misfit && m.stays[r.node] == "") {
			r.clear() // its blocks will be free
		}
	}
}

const (
	// wholeTries is how often a file that changes under the read is read.
	wholeTries = 5
	// racyWindow is the longest time in which two changes of a file can carry
	// the same time stamp: a tick of the kernel's clock at 100 Hz, doubled.
	racyWindow = 20 * time.Millisecond
	// slowWrite is how long a write may take of a file that somebody is known to write
	// to, on a machine with much to do.
	slowWrite = 100 * time.Millisecond
)

// readWhole reads a file that this call holds from start to end. What it read
// counts if the file looked the same before and after, or if two reads in
// a row gave the same. All of them read the file that was opened first: one that
// takes its name meanwhile is no change of it. readWhole returns what was seen,
// nil if that is how the walk saw it.
func (m *Image) readWhole(r *fileRead) *liveFile {
	src, before, err := m.openNode(r.node)
	if err != nil {
		return &liveFile{err: err}
	}
	defer unix.Close(src.fd)
	var last uint64
	var lastSize int64
	for try := 1; ; try++ {
		start := time.Now()
		after, err := m.readOnce(r, src, before)
		f := &liveFile{first: before, seen: true, misfit: r.misfit, other: r.other, attrs: r.attrs, err: err}
		racy := before.unsettled(start, m.window(r.node, before))
		if err != nil || before == after && racy == 0 {
			if err == nil && before == m.nodes.at(r.node).state() {
				return nil
			}
			return f
		}
		sum, size := r.sum(m.sumSeed), min(before.size, m.nodes.at(r.node).size)
		if try > 1 && sum == last && size == lastSize {
			return f
		}
		if try == wholeTries {
			f.moved = true
			return f
		}
		before, last, lastSize = after, sum, size
		time.Sleep(racy)
	}
}

// readClip reads a part of a file whose other parts come in other calls.
func (m *Image) readClip(r *fileRead) {
	before, after, settled, err := m.readTwice(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.live[r.node]
	if f == nil {
		f = new(liveFile)
		m.live[r.node] = f
	}
	f.misfit, f.other = f.misfit || r.misfit, f.other || r.other
	if err != nil {
		f.err = err
		return
	}
	if !f.seen {
		f.first, f.seen, f.attrs = before, true, r.attrs
	}
	f.moved = f.moved || before != after || before != f.first || !settled ||
		before != m.nodes.at(r.node).state() && m.keepsSome(r.node) // which is as at the walk
	if f.round > 0 {
		f.compare(r.clips[0].off, r.sum(m.sumSeed))
	}
}

// readTwice fills the clips, and once more if the file had not settled. It returns how the
// file looked before and after that, and whether it had settled then.
func (m *Image) readTwice(r *fileRead) (before, after state, settled bool, err error) {
	start := time.Now()
	src, before, err := m.openNode(r.node)
	if err != nil {
		return before, after, false, err
	}
	defer unix.Close(src.fd)
	window := m.window(r.node, before)
	if m.wasSeen(r.node) {
		window = racyWindow // who began to write before that has been waited for
	}
	for try := 1; ; try++ {
		after, err = m.readOnce(r, src, before)
		racy := before.unsettled(start, window)
		if err != nil || racy == 0 || try == 2 {
			return before, after, racy == 0, err
		}
		time.Sleep(racy)
		start, before = time.Now(), after
	}
}

// wasSeen says whether another part of a file was read in this round.
func (m *Image) wasSeen(n int32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.live[n]
	return f != nil && f.seen
}

// keepsSome says whether blocks of a file are in parts that are kept.
func (m *Image) keepsSome(n int32) bool {
	if len(m.keeps) == 0 {
		return false
	}
	nd, part := m.nodes.at(n), m.p.PartSize/BlockSize
	for _, s := range m.spans[nd.span : nd.span+nd.spans] {
		for i := int64(s.phys) / part; i*part < s.end(); i++ {
			if m.keeps[i] {
				return true
			}
		}
	}
	return false
}

// readOnce fills the clips up to the end of an open file that looks like before,
// and returns how it looks afterwards.
func (m *Image) readOnce(r *fileRead, f source, before state) (after state, err error) {
	nd := m.nodes.at(r.node)
	r.attrs, r.misfit, r.other = nil, false, false
	if before != nd.state() {
		err := m.examine(r, f, before)
		if err == nil {
			r.misfit, err = m.misfits(r.node, f, before)
		}
		if err != nil {
			return after, err
		}
	}
	size := min(before.size, nd.size)
	for _, c := range r.clips {
		if err := readFull(f, c, size); err != nil {
			return after, err
		}
	}
	return f.state()
}

// examine finds out what became of an open file that is not as the walk saw it.
func (m *Image) examine(r *fileRead, f source, now state) (err error) {
	if m.p.Xattrs != nil {
		attrs, err := m.p.Xattrs(f.path, f.fd)
		if err != nil {
			return fmt.Errorf("extended attributes: %w", err)
		}
		r.attrs = &attrs
	}
	r.other, err = m.other(r.node, f, now)
	return err
}

// source is an open file of the source.
type source struct {
	fd   int
	path string
	mode uint16 // as the opener said: without set-ID bits that the mount does not honour
}

// readFull fills a clip from a file of size bytes, with zeros behind its end. A
// file that ends earlier has changed: its state tells. If it does not, the
// bytes that are missing are no zeros: they are asked for again, and then it is an
// error.
func readFull(f source, c clip, size int64) error {
	n := 0
	for want, asked := min(int64(len(c.dst)), size-c.off), 0; int64(n) < want; {
		got, err := unix.Pread(f.fd, c.dst[n:want], c.off+int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return &fs.PathError{Op: "read", Path: f.path, Err: err}
		}
		if n += got; got > 0 {
			asked = 0
			continue
		}
		now, err := f.state()
		switch asked++; {
		case err != nil:
			return err
		case now.size < c.off+want:
			clear(c.dst[n:])
			return nil
		case asked == shortTries:
			return &fs.PathError{Op: "read", Path: f.path, Err: fmt.Errorf("%w: nothing at byte %d of %d", io.ErrUnexpectedEOF, c.off+int64(n), now.size)}
		}
		time.Sleep(shortPause)
	}
	clear(c.dst[n:])
	return nil
}

const (
	shortTries = 3 // how often bytes are asked for that should be there and do not come
	shortPause = 10 * time.Millisecond
)
