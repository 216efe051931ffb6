package ext2img

import (
	"bytes"
	"io"
	"maps"
	"slices"
)

// countRead counts a file, once, and the bytes that are to be read of it.
func (m *Image) countRead(r *fileRead) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := int64(r.node); !m.opened.has(n) {
		m.opened.set(n)
		m.report.FilesRead++
	}
	for _, c := range r.clips {
		m.report.BytesRead += max(0, min(int64(len(c.dst)), m.nodes.at(r.node).size-c.off))
	}
}

// compareBase notes that a file which looked as in the base has another content.
func (m *Image) compareBase(r *fileRead) {
	piece := make([]byte, 128<<10)
	for _, c := range r.clips {
		for off := 0; off < len(c.dst); off += len(piece) {
			want := c.dst[off:min(off+len(piece), len(c.dst))]
			have := piece[:len(want)]
			what := "looked unchanged, but its content is not that of the base; it is in the image as it is now"
			if n, err := m.base.Image.ReadAt(have, c.at*BlockSize+int64(off)); n < len(have) && err != io.EOF {
				what = "cannot be compared: the base is damaged: " + err.Error()
			} else if n == len(have) && bytes.Equal(have, want) {
				continue
			}
			m.mu.Lock()
			m.differs[r.node] = what
			m.mu.Unlock()
			return
		}
	}
}

// tellDiffers warns of files that differ from the base, but for those that changed
// while they were read.
func (m *Image) tellDiffers() {
	for _, n := range slices.Sorted(maps.Keys(m.differs)) {
		if f := m.live[n]; f == nil || !f.moved && f.err == nil && f.first == m.seenAtWalk(n) {
			m.warn(m.path(m.nodes.at(n).name), m.differs[n])
		}
	}
}
