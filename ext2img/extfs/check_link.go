package extfs

import "purebundle/ext2img/internal/ondisk"

// links compares link counts with the names found, and looks for a way from
// the root to every directory.
func (c *checker) links() {
	if root := c.states.get(ondisk.RootIno); root == nil {
		c.inInode(ondisk.RootIno, "the root directory is not in use")
	} else {
		root.marks |= markConnected
		if root.dotdot != ondisk.RootIno && root.marks&markBad == 0 {
			c.inInode(ondisk.RootIno, "\"..\" of the root is inode %d", root.dotdot)
		}
	}
	for ino, st := range c.states.all() {
		if c.stopped() {
			return
		}
		if st.marks&markHidden != 0 {
			if st.links != 0 {
				c.inInode(ino, "reserved, but has %d names", st.links)
			}
			continue
		}
		c.nlink(ino, st)
		if st.kind == ondisk.SIFDIR>>12 && ino != ondisk.RootIno {
			c.connect(ino, st)
		}
	}
}

func (c *checker) nlink(ino uint32, st *inodeState) {
	isDir := st.kind == ondisk.SIFDIR>>12
	switch {
	case isDir && st.parent == 0 && ino != ondisk.RootIno, !isDir && st.links == 0:
		c.inInode(ino, "in use, but in no directory")
	case uint32(st.nlink) == st.links:
	case st.nlink == 1 && st.marks&markIndexed != 0 && c.f.sb.roCompat&ondisk.RODirNlink != 0:
		// It had more than 65,000 links once, and the kernel ceased to count.
	default:
		c.inInode(ino, "link count is %d, want %d", st.nlink, st.links)
	}
}

// connect goes up from a directory until it meets one that is connected, and
// down again to mark the way.
func (c *checker) connect(ino uint32, st *inodeState) {
	if st.parent != 0 && st.dotdot != st.parent && st.marks&markBad == 0 {
		c.inInode(ino, "\"..\" is inode %d, but it is in directory %d", st.dotdot, st.parent)
	}
	end := st
	for end != nil && end.marks&(markConnected|markVisiting) == 0 {
		end.marks |= markVisiting
		end = c.states.get(end.parent)
	}
	connected := end != nil && end.marks&markConnected != 0
	if end != nil && !connected {
		c.inInode(ino, "directory in a circle that the root does not lead to")
	}
	for st != nil && st.marks&markVisiting != 0 {
		st.marks &^= markVisiting
		// Said once for a whole circle or lost tree.
		st.marks |= markConnected
		st = c.states.get(st.parent)
	}
}
