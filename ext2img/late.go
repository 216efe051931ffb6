package ext2img

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/internal/ondisk"
)

// A late file is one that fits no longer in the blocks that were placed for it:
// a larger one has taken its name, it was rewritten with more bytes, or data
// stands in its former holes. seal reads it into memory and places it, without
// holes, in parts that nothing uses.

const (
	maxLate = 64 << 20 // bytes of late files in all
	// maxLateBlocks is the length of the longest extent.
	maxLateBlocks = ondisk.MaxExtentLen
)

// errNoPlace says that the image has no room for a late file.
var errNoPlace = errors.New("it does not fit in the image any more")

// misfits says whether a file that changed does not fit in its spans.
func (m *Image) misfits(n int32, f source, now state) (bool, error) {
	nd := m.nodes.at(n)
	if now.size > nd.size {
		if appended, err := m.appended(n, f, now); err != nil || !appended {
			return true, err
		}
	}
	if _, sparse := m.sparse[n]; !sparse {
		return false, nil
	}
	spans := m.spans[nd.span : nd.span+nd.spans]
	size := min(now.size, nd.size)
	for pos := int64(0); pos < size; {
		from, err := unix.Seek(f.fd, pos, unix.SEEK_DATA)
		if err == syscall.ENXIO {
			break // no data behind pos
		}
		if err != nil {
			return false, &fs.PathError{Op: "seek data", Path: f.path, Err: err}
		}
		to, err := unix.Seek(f.fd, from, unix.SEEK_HOLE)
		if err != nil {
			return false, &fs.PathError{Op: "seek hole", Path: f.path, Err: err}
		}
		for block, end := from/BlockSize, ceilDiv(min(to, size), BlockSize); block < end; {
			for len(spans) > 0 && int64(spans[0].logical)+int64(spans[0].count) <= block {
				spans = spans[1:]
			}
			if len(spans) == 0 || int64(spans[0].logical) > block {
				return true, nil
			}
			block = int64(spans[0].logical) + int64(spans[0].count)
		}
		pos = to
	}
	return false, nil
}

// replace gives a file that does not fit in its blocks others, or says that it stays
// where it is: then the image has all of it but what stands behind the old end or in
// former holes.
func (m *Image) replace(n int32, f *liveFile) *liveFile {
	stays := &liveFile{first: f.first, attrs: f.attrs, moved: true}
	if m.stays[n] != "" {
		return stays
	}
	was := m.nodes.at(n).state()
	late := m.readLate(n)
	if errors.Is(late.err, errNoPlace) && !f.other {
		m.stays[n] = "; " + late.err.Error()
		return stays
	}
	m.walked[n] = was
	late.placed = true
	return late
}

// seenAtWalk returns how the walk saw a file, which may have another node by now.
func (m *Image) seenAtWalk(n int32) state {
	if was, ok := m.walked[n]; ok {
		return was
	}
	return m.nodes.at(n).state()
}

// readLate reads a late file and gives it its new place.
func (m *Image) readLate(n int32) *liveFile {
	r := fileRead{node: n}
	seen, data := m.readAnew(&r)
	if seen.err != nil {
		return seen
	}
	nd := m.nodes.at(n)
	blocks := int64(len(data) / BlockSize)
	place, err := m.placeLate(blocks)
	if err != nil {
		return &liveFile{err: m.outgrown(n, seen.first, err)}
	}
	nd.id, nd.size = seen.first.id, seen.first.size
	nd.span, nd.spans = int32(len(m.spans)), 0
	delete(m.sparse, n)
	if blocks > 0 {
		m.addLate(span{phys: uint32(place.start), count: uint32(blocks), owner: n})
		nd.spans = 1
		m.lateData[place.start] = data
	}
	return seen
}

// outgrown says that there is no room for a file as it is now.
func (m *Image) outgrown(n int32, now state, err error) error {
	return fmt.Errorf("%d bytes at the walk, another content of %d bytes when read: %w", m.nodes.at(n).size, now.size, err)
}

// readAnew reads the whole of what a node's names lead to now, as readWhole
// does, whatever its size. A file that is being appended to counts with the size
// that it has first.
func (m *Image) readAnew(r *fileRead) (*liveFile, []byte) {
	src, before, err := m.openNode(r.node)
	if err != nil {
		return &liveFile{err: err}, nil
	}
	defer unix.Close(src.fd)
	var last uint64
	var data []byte
	for try := 1; ; try++ {
		if err := m.lateFits(before.size); err != nil {
			return &liveFile{err: m.outgrown(r.node, before, err)}, nil
		}
		start := time.Now()
		again := try > 1 && before.size >= int64(len(data))
		if !again {
			data = make([]byte, before.size, ceilDiv(before.size, BlockSize)*BlockSize)
		}
		r.clips = []clip{{dst: data}}
		err := m.examine(r, src, before)
		if err == nil {
			err = readFull(src, r.clips[0], int64(len(data)))
		}
		after := before
		if err == nil {
			after, err = src.state()
		}
		if err != nil {
			return &liveFile{err: err}, nil
		}
		seen := &liveFile{first: before, seen: true, misfit: true, other: r.other, attrs: r.attrs}
		seen.first.size = int64(len(data))
		sum, racy := r.sum(m.sumSeed), before.unsettled(start, m.window(r.node, before))
		steady := before == after && racy == 0 && before.size == int64(len(data)) || again && sum == last
		if steady || try == wholeTries {
			seen.moved = !steady
			return seen, data[:cap(data)]
		}
		before, last = after, sum
		time.Sleep(racy)
	}
}

// lateFits returns an error if a late file of size bytes is more than there is room for.
func (m *Image) lateFits(size int64) error {
	blocks := ceilDiv(size, BlockSize)
	if m.lateBlocks+blocks > maxLate/BlockSize || blocks > maxLateBlocks {
		return fmt.Errorf("%w: such files take more than %d bytes", errNoPlace, maxLate)
	}
	return nil
}

// placeLate finds a run of blocks in parts that hold nothing yet.
func (m *Image) placeLate(blocks int64) (run, error) {
	if err := m.lateFits(blocks * BlockSize); err != nil {
		return run{}, err
	}
	if m.lateFree == nil {
		m.lateFree = m.freeParts()
	}
	for len(m.lateFree) > 0 && m.lateFree[0].count < blocks {
		m.lateFree = m.lateFree[1:]
	}
	if len(m.lateFree) == 0 {
		return run{}, fmt.Errorf("%w: no %d free blocks in a row", errNoPlace, blocks)
	}
	r := &m.lateFree[0]
	place := run{r.start, blocks}
	r.start, r.count = r.start+blocks, r.count-blocks
	m.lateBlocks += blocks
	return place, nil
}

// freeParts lists the free blocks behind all that is placed, parts in use left
// out, so that spans stay in order.
func (m *Image) freeParts() []run {
	part := m.p.PartSize / BlockSize
	used := m.g.fixed()
	if m.byPhys != nil {
		var free []run
		for _, i := range m.Parts().Zero {
			start := int64(i) * part
			if n := min(part, m.g.blocks-start); n > 0 {
				free = append(free, gaps(run{start, n}, used)...)
			}
		}
		return join(free)
	}
	end := int64(0)
	if len(m.spans) > 0 {
		end = m.spans[len(m.spans)-1].end()
	}
	if len(m.trees) > 0 {
		end = max(end, int64(m.trees[len(m.trees)-1].phys)+1)
	}
	end = ceilDiv(end, part) * part
	if end >= m.g.blocks {
		return nil
	}
	return gaps(run{end, m.g.blocks - end}, used)
}
