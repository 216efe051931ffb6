package ext2img

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/internal/ondisk"
)

// A late file is one that fits no longer in the blocks that were placed for it:
// a larger one has taken its name, or data stands where it had holes. Seal
// reads it into memory and places it, without holes, in parts that nothing uses.

const (
	maxLate = 64 << 20 // bytes of late files in all
	// maxLateBlocks is what one extent holds.
	maxLateBlocks = ondisk.MaxExtentLen
)

// errNoPlace says that the image has no room for a late file.
var errNoPlace = errors.New("it does not fit in the image any more")

// misfits says whether a file that changed does not fit in its spans.
func (m *Image) misfits(n int32, f source, now identity) (bool, error) {
	nd := m.nodes.at(n)
	if now.id != nd.id && now.size > nd.size {
		return true, nil
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

// readLate reads a late file and gives it its new place.
func (m *Image) readLate(n int32) *liveFile {
	f, id, err := m.openNode(n)
	if err != nil {
		return &liveFile{err: err}
	}
	unix.Close(f.fd)
	nd := m.nodes.at(n)
	blocks := ceilDiv(id.size, BlockSize)
	place, err := m.placeLate(blocks)
	if err != nil {
		return &liveFile{err: fmt.Errorf("%d bytes at the walk, another content of %d bytes when read: %w", nd.size, id.size, err)}
	}
	nd.id, nd.size = id.id, id.size
	nd.span, nd.spans = int32(len(m.spans)), 0
	delete(m.sparse, n)
	r := fileRead{}
	if blocks > 0 {
		m.spans = append(m.spans, span{phys: uint32(place.start), count: uint32(blocks), owner: n})
		nd.spans = 1
		data := make([]byte, blocks*BlockSize)
		m.lateData[place.start] = data
		r.add(n, clip{dst: data})
	}
	r.node = n
	seen := m.readWhole(&r)
	if seen == nil {
		seen = &liveFile{first: nd.identity(), seen: true}
	}
	if r.misfit { // again another one: what this read holds of it is no state
		seen.moved = true
	}
	seen.misfit = true
	return seen
}

// placeLate finds a run of blocks in parts that hold nothing yet.
func (m *Image) placeLate(blocks int64) (run, error) {
	if m.lateBlocks+blocks > maxLate/BlockSize || blocks > maxLateBlocks {
		return run{}, fmt.Errorf("%w: such files take more than %d bytes", errNoPlace, maxLate)
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
	j, _ := m.g.journal()
	used := append(append(m.g.supers(), m.g.flexes()...), j)
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
