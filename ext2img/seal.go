package ext2img

import (
	"maps"
	"slices"
)

// seal takes what happened to the files while they were read into the metadata,
// and reports it. Nothing may be reading the image meanwhile.
func (m *Image) seal() Report {
	m.readHeld()
	m.tellDiffers()
	for _, n := range slices.Sorted(maps.Keys(m.live)) {
		m.conclude(n, m.live[n])
	}
	m.tellFlags()
	m.dropGone()
	m.findInUse()
	m.encodeTrees()
	m.encodeGroups()
	m.writeSuper(0)
	m.live = nil
	m.report.sort()
	return m.report
}

// readHeld reads the data that shares a part with metadata.
func (m *Image) readHeld() {
	if m.held == m.data {
		return
	}
	first, last := m.spans[m.data], m.spans[m.held-1]
	m.heldData = make([]byte, (last.end()-int64(first.phys))*BlockSize)
	file := fileRead{held: true}
	for _, s := range m.spans[m.data:m.held] {
		if file.clips != nil && file.node != s.owner {
			m.read(&file)
		}
		at := int64(s.phys-first.phys) * BlockSize
		file.add(s.owner, clip{dst: m.heldData[at : at+int64(s.count)*BlockSize], off: int64(s.logical) * BlockSize})
	}
	m.read(&file)
}

// dropGone gives back what files that are not in the image would have used
// beyond their own inode and blocks.
func (m *Image) dropGone() {
	for n := range m.nodes.len() {
		if nd := m.nodes.at(n); nd.gone && nd.acl >= 0 {
			m.xattrs.drop(nd.acl)
			nd.acl = -1
		}
	}
}

// encodeTrees writes the extent trees that do not fit in their inodes.
func (m *Plan) encodeTrees() {
	m.roots = make(map[int32][60]byte)
	m.treeUsed = make(map[int32]int)
	for _, t := range m.trees {
		delete(m.st.Blocks, int64(t.phys))
	}
	for i := 0; i < len(m.trees); {
		n, end := m.trees[i].owner, i
		for end < len(m.trees) && m.trees[end].owner == n {
			end++
		}
		if !m.nodes.at(n).gone {
			m.roots[n], m.treeUsed[n] = m.encodeTree(n, m.trees[i:end])
		}
		i = end
	}
}
