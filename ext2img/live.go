package ext2img

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/internal/ondisk"
)

// liveFile tells the story of a file that is read in several calls, or that
// was not as the walk saw it.
type liveFile struct {
	first  state    // at the first read of this round
	seen   bool     // first is set
	moved  bool     // it changed during this round
	misfit bool     // it does not fit in the blocks that were placed
	placed bool     // it has other blocks now, see late.go
	other  bool     // it is another file than at the walk, maybe with the same inode number
	attrs  *[]Xattr // at the first read of this round; nil: those of the walk
	err    error    // it could not be read

	round int              // how often redo has asked for it
	sums  map[int64]uint64 // hash of each clip by its offset, from round 1 on
	new   bool             // a clip was not the same in the last two rounds
}

// maxRounds is how often redo asks for a file: once because it changed, and
// once more to see whether what was read changed.
const maxRounds = 2

// compare notes whether a clip holds what it held in the round before.
func (f *liveFile) compare(off int64, sum uint64) {
	if f.sums == nil {
		f.sums = make(map[int64]uint64)
	}
	if f.round > 1 && f.sums[off] != sum {
		f.new = true
	}
	f.sums[off] = sum
}

// unstable says that the file changed under every read, and its content too.
func (f *liveFile) unstable() bool { return f.moved && (f.round < maxRounds || f.new) }

// state is how a file looked at one moment; if two differ, it has changed.
type state struct {
	id           uint64 // inode number in the source
	size         int64  // bytes
	mode         uint16
	uid, gid     uint32
	mtime, ctime ondisk.Stamp
}

// state returns how the walk saw a file.
func (n *node) state() state {
	return state{n.id, n.size, n.mode, n.uid, n.gid, n.mtime, n.ctime}
}

// unsettled returns how long after start a read must begin so that it counts by itself,
// because the last change of the inode is no further than window from start; 0 means that
// a read from start on does.
func (i state) unsettled(start time.Time, window time.Duration) time.Duration {
	if age := start.Sub(i.ctime.Time()); age.Abs() < window {
		return min(window-age, window)
	}
	return 0
}

// window returns how near its last change may be to a read of a file: farther if it is
// one that is written to. write(2) stamps it first, and may wait before it copies all.
func (m *Image) window(n int32, now state) time.Duration {
	if now == m.nodes.at(n).state() {
		return racyWindow
	}
	return slowWrite
}

// state returns how the file looks now.
func (f source) state() (state, error) {
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil {
		return state{}, &fs.PathError{Op: "fstat", Path: f.path, Err: err}
	}
	id := stateOf(&st)
	id.mode &^= setIDBits &^ f.mode // what the opener has cut stays cut
	return id, nil
}

func stateOf(st *unix.Stat_t) state {
	mtime, _ := ondisk.NewStamp(st.Mtim.Sec, uint32(st.Mtim.Nsec))
	ctime, _ := ondisk.NewStamp(st.Ctim.Sec, uint32(st.Ctim.Nsec))
	return state{st.Ino, st.Size, uint16(st.Mode), st.Uid, st.Gid, mtime, ctime}
}

// openNode opens a file by its first name. Where that leads elsewhere by now,
// any other of its names will do; if all of them lead to one other file,
// that has taken its place.
func (m *Image) openNode(n int32) (source, state, error) {
	nd := m.nodes.at(n)
	f, id, err := m.openName(nd.name)
	if err == nil && id.id == nd.id || nd.links == 1 {
		return f, id, err
	}
	agree := err == nil
	for _, i := range m.otherNames(n) {
		other, otherID, e := m.openName(i)
		if e == nil && otherID.id == nd.id {
			if err == nil {
				unix.Close(f.fd)
			}
			return other, otherID, nil
		}
		agree = agree && e == nil && otherID.id == id.id
		if e == nil {
			unix.Close(other.fd)
		}
	}
	if err == nil && !agree {
		unix.Close(f.fd)
		err = fmt.Errorf("its %d names lead to different files now: %w", nd.links, ErrReplaced)
	}
	return f, id, err
}

// maxOtherNames bounds the names of a file that are tried when the first leads
// elsewhere: somebody may have renamed them all.
const maxOtherNames = 100

// otherNames returns the names of a file besides its first, no more than
// maxOtherNames of them.
func (m *Image) otherNames(n int32) []int32 {
	m.linksOnce.Do(func() {
		m.links = make(map[int32][]int32)
		for i := int32(1); i < m.names.len(); i++ {
			owner := m.names.at(i).node
			if list := m.links[owner]; m.nodes.at(owner).name != i && len(list) < maxOtherNames {
				m.links[owner] = append(list, i)
			}
		}
	})
	return m.links[n]
}

func (m *Image) openName(nm int32) (source, state, error) {
	path := m.path(nm)
	var st unix.Stat_t
	fd, err := m.open(path, &st)
	if err != nil {
		return source{}, state{}, err
	}
	m.noteFlags(m.names.at(nm).node, path, fd)
	return source{fd, path, uint16(st.Mode)}, stateOf(&st), nil
}

// redo returns the data parts to read once more, because a file that lies in
// several of them changed while they were read.
func (m *Image) redo() []int {
	var again []int
	for _, n := range slices.Sorted(maps.Keys(m.live)) {
		f, nd := m.live[n], m.nodes.at(n)
		switch {
		case nd.gone || f.placed:
		case f.err != nil || f.misfit && m.stays[n] == "":
			again = append(again, m.leave(n, f)...)
		case m.inOnePart(nd) || !f.moved || f.misfit || f.round == maxRounds:
		default:
			*f = liveFile{round: f.round + 1, sums: f.sums}
			again = append(again, m.partsOf(nd)...)
		}
	}
	slices.Sort(again)
	return slices.Compact(again)
}

// leave takes a file out of its blocks, because it is not to be in the image, or not
// there, and returns the parts that must be made once more: free blocks are zero.
func (m *Image) leave(n int32, f *liveFile) []int {
	nd := m.nodes.at(n)
	one, parts := m.inOnePart(nd) && !m.keepsSome(n), m.partsOf(nd)
	if f.err == nil {
		f = m.replace(n, f)
		if m.live[n] = f; f.err == nil && !f.placed { // it stays, and read has cleared what it had in one part
			if one {
				return parts
			}
			return nil
		}
	}
	nd.gone = f.err != nil
	if one {
		return nil
	}
	return parts
}

// partsOf lists the parts that a file lies in.
func (m *Image) partsOf(nd *node) (parts []int) {
	part := m.p.PartSize / BlockSize
	for _, s := range m.spans[nd.span : nd.span+nd.spans] {
		for i := int64(s.phys) / part; i*part < s.end(); i++ {
			parts = append(parts, int(i))
		}
	}
	return parts
}

// inOnePart says whether a file is read in one call.
func (m *Image) inOnePart(nd *node) bool {
	part := m.p.PartSize / BlockSize
	first := int64(m.spans[nd.span].phys) / part
	for _, s := range m.spans[nd.span : nd.span+nd.spans] {
		if int64(s.phys)/part != first || (s.end()-1)/part != first {
			return false
		}
	}
	return true
}

// conclude takes what was seen of a file into its node, and reports it.
func (m *Image) conclude(n int32, f *liveFile) {
	nd := m.nodes.at(n)
	path, was := m.path(nd.name), m.seenAtWalk(n)
	if f.err == nil && f.misfit && !f.placed {
		f = m.replace(n, f)
	}
	why := m.stays[n]
	switch {
	case errors.Is(f.err, fs.ErrNotExist):
		nd.gone = true
		m.change(path, nd.uid, Vanished, "gone when it was to be read")
		return
	case errors.Is(f.err, ErrReplaced):
		nd.gone = true
		m.change(path, nd.uid, Replaced, f.err.Error())
		return
	case f.err != nil:
		nd.gone = true
		m.change(path, nd.uid, Unreadable, f.err.Error())
		return
	}
	now := f.first
	nd.mode, nd.uid, nd.gid = now.mode, now.uid, now.gid
	nd.mtime, nd.ctime = now.mtime, now.ctime
	nd.size = min(nd.size, now.size)
	m.relabel(nd, path, f)
	var kind Kind
	switch {
	case f.unstable():
		kind = Unstable
	case f.other:
		kind = Replaced
		if m.p.Unseen != nil && m.p.Unseen() != "" {
			why += "; " + m.p.Unseen()
		}
	case now.size < was.size:
		kind = Shrunk
	case now.size > was.size && !f.misfit:
		kind = Grown
	case now.size > was.size, now.mtime != was.mtime:
		kind = Rewritten
	default:
		return // as at the walk, or only its inode changed: another link, another mode
	}
	m.change(path, nd.uid, kind, fmt.Sprintf("%d bytes at the walk, %d when read%s", was.size, now.size, why))
}
