package ext2img

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/internal/ondisk"
)

// ErrReplaced is what the function given to Layout returns, wrapped, where the
// path leads to something that is no regular file any more. Errors that are
// fs.ErrNotExist mean that the file has vanished.
var ErrReplaced = errors.New("no regular file any more")

// clip is a piece of a file: where it goes and where it comes from.
type clip struct {
	dst []byte // whole blocks, zero
	off int64  // bytes in the file, a multiple of BlockSize
}

// fileRead gathers the clips of one file in one ReadAt, for one opening.
type fileRead struct {
	node  int32
	clips []clip
}

func (r *fileRead) add(n int32, c clip) {
	r.node = n
	r.clips = append(r.clips, c)
}

// liveFile is what was seen of a file that is read in several calls, or that
// was not as the walk saw it.
type liveFile struct {
	first  identity // at the first read of this round
	seen   bool     // first is set
	moved  bool     // it changed during this round
	redone bool     // this is the second round
	err    error    // it could not be read
}

// identity tells states of a file apart.
type identity struct {
	id           uint64 // inode number in the source
	size         int64  // bytes
	mtime, ctime ondisk.Stamp
}

// read fills the clips of a file and notes what became of it.
func (m *Image) read(r *fileRead) {
	nd := m.nodes.at(r.node)
	blocks := int64(0)
	for _, c := range r.clips {
		blocks += int64(len(c.dst) / BlockSize)
	}
	whole := blocks == m.spanBlocks(nd)
	if whole {
		m.readWhole(r, nd)
	} else {
		m.readPiece(r)
	}
	r.clips = r.clips[:0]
}

func (m *Image) spanBlocks(nd *node) (blocks int64) {
	for _, s := range m.spans[nd.span : nd.span+nd.spans] {
		blocks += int64(s.count)
	}
	return blocks
}

// wholeTries is how often a file that changes under the read is read again.
const wholeTries = 3

// readWhole reads a file that this call holds from start to end: one that
// changed meanwhile is read again at once.
func (m *Image) readWhole(r *fileRead, nd *node) {
	for try := 1; ; try++ {
		before, after, err := m.readOnce(r)
		switch {
		case err == nil && before == after && before == nd.identity():
			return // the usual case: nothing to note
		case err == nil && before != after && try < wholeTries:
			continue
		}
		m.mu.Lock()
		m.live[r.node] = &liveFile{first: before, seen: true, moved: before != after, redone: true, err: err}
		m.mu.Unlock()
		return
	}
}

// readPiece reads a part of a file whose other parts come in other calls.
func (m *Image) readPiece(r *fileRead) {
	before, after, err := m.readOnce(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.live[r.node]
	if f == nil {
		f = new(liveFile)
		m.live[r.node] = f
	}
	switch {
	case err != nil:
		f.err = err
	case !f.seen:
		f.first, f.seen = before, true
		f.moved = f.moved || before != after
	default:
		f.moved = f.moved || before != after || before != f.first
	}
}

// readOnce opens the file, fills the clips up to its end and says how it looked
// before and after.
func (m *Image) readOnce(r *fileRead) (before, after identity, err error) {
	path := m.path(m.nodes.at(r.node).name)
	f, err := m.open(path)
	if err != nil {
		return before, after, err
	}
	defer f.Close()
	if before, err = identityOf(f); err != nil {
		return before, after, err
	}
	for _, c := range r.clips {
		want := min(int64(len(c.dst)), before.size-c.off)
		n := 0
		if want > 0 {
			n, err = f.ReadAt(c.dst[:want], c.off)
			if err != nil && err != io.EOF {
				return before, after, err
			}
		}
		clear(c.dst[n:]) // a try before may have read more
	}
	after, err = identityOf(f)
	return before, after, err
}

func identityOf(f *os.File) (identity, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return identity{}, &fs.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return identity{}, fmt.Errorf("%s: %w", f.Name(), ErrReplaced)
	}
	mtime, _ := ondisk.NewStamp(st.Mtim.Sec, uint32(st.Mtim.Nsec))
	ctime, _ := ondisk.NewStamp(st.Ctim.Sec, uint32(st.Ctim.Nsec))
	return identity{st.Ino, st.Size, mtime, ctime}, nil
}

// identity is how the walk saw a file.
func (n *node) identity() identity {
	return identity{n.id, n.size, n.mtime, n.ctime}
}

// Redo lists the data parts to read once more, because a file that lies in
// several of them changed while they were read. It lists nothing when called
// again.
func (m *Image) Redo() (parts []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	again := make(map[int]bool)
	part := m.p.PartSize / BlockSize
	for n, f := range m.live {
		if f.redone || !f.moved || f.err != nil {
			continue
		}
		*f = liveFile{redone: true}
		nd := m.nodes.at(n)
		for _, s := range m.spans[nd.span : nd.span+nd.spans] {
			for i := int64(s.phys) / part; i*part < s.end(); i++ {
				again[int(i)] = true
			}
		}
	}
	data, _ := m.Parts()
	for _, i := range data {
		if again[i] {
			parts = append(parts, i)
		}
	}
	return parts
}

// settle takes what was seen of a file into its node, and reports it.
func (m *Image) settle(n int32, f *liveFile) {
	nd := m.nodes.at(n)
	path := m.path(nd.name)
	was := nd.identity()
	switch {
	case errors.Is(f.err, fs.ErrNotExist):
		nd.gone = true
		m.change(path, Vanished, "")
		return
	case errors.Is(f.err, ErrReplaced):
		nd.gone = true
		m.change(path, Replaced, f.err.Error())
		return
	case f.err != nil:
		nd.gone = true
		m.change(path, Unreadable, f.err.Error())
		return
	case f.first == was && !f.moved:
		return
	}
	now := f.first
	nd.mtime, nd.ctime = now.mtime, now.ctime
	sizes := fmt.Sprintf("%d bytes at the walk, %d when read", was.size, now.size)
	kind := Rewritten
	switch {
	case f.moved:
		kind = Unstable
	case now.id != was.id:
		kind = Replaced
	case now.size < was.size:
		kind = Shrunk
	case now.size > was.size:
		kind = Grown
	case now.mtime == was.mtime:
		nd.size = min(nd.size, now.size)
		return // only its inode changed: a link more, another mode
	}
	nd.size = min(nd.size, now.size)
	m.change(path, kind, sizes)
}
