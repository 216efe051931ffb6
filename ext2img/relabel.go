package ext2img

import "slices"

// What gives a file privileges: bits of i_mode, and an attribute.
const (
	setIDBits  = 0o6000 // S_ISUID, S_ISGID
	capability = "security.capability"
)

// relabel gives a file the attributes that it had when it was read: another file may have got its name since the walk, or its mode and
// access control list have changed together. What is left of several states, maybe of several files, keeps no privileges.
func (m *Image) relabel(nd *node, path string, f *liveFile) {
	attrs := f.attrs
	if f.unstable() {
		nd.mode &^= setIDBits
		none := []Xattr{}
		if attrs == nil {
			attrs = &none // those of the walk may be another file's
		}
		kept := slices.DeleteFunc(slices.Clone(*attrs), func(x Xattr) bool { return x.Name == capability })
		attrs = &kept
	}
	if attrs == nil {
		return
	}
	m.xattrs.drop(nd.acl)
	var err error
	nd.xattrs, nd.acl, err = m.planXattrs(path, *attrs, 0)
	if err != nil {
		m.warn(path, "attributes dropped: "+err.Error())
	}
	if nd.acl < 0 || m.xattrs.block.at(nd.acl).phys != 0 { // it has a place
		return
	}
	place, err := m.placeLate(1)
	if err != nil {
		m.warn(path, "attributes dropped: "+err.Error())
		m.xattrs.drop(nd.acl)
		nd.acl = -1
		return
	}
	m.xattrs.block.at(nd.acl).phys = uint32(place.start)
	m.addLate(span{phys: uint32(place.start), count: 1, owner: ^nd.acl})
}
