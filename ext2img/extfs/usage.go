package extfs

import "sync"

// Usage tells which bytes of a file system are in use. It is safe for concurrent use.
type Usage struct {
	fs *FS

	mu     sync.Mutex
	groups map[uint32][]byte // block bitmaps; nil: the group's is not on disk
}

// Usage returns the usage as the block bitmaps have it, each of which is read once.
func (f *FS) Usage() *Usage { return &Usage{fs: f, groups: make(map[uint32][]byte)} }

// InUse says whether any of n bytes from off on belong to a file or to metadata. What
// lies behind the file system does not.
func (u *Usage) InUse(off, n int64) (bool, error) {
	s := u.fs.sb
	size := int64(s.blockSize)
	end := min(uint64((off+n+size-1)/size), s.blocksCount)
	for b := uint64(off / size); b < end; b++ {
		if b < uint64(s.firstDataBlock) {
			return true, nil // what stands before the superblock
		}
		group, bit := uint32((b-uint64(s.firstDataBlock))/uint64(s.blocksPerGroup)), (b-uint64(s.firstDataBlock))%uint64(s.blocksPerGroup)
		bitmap, err := u.bitmap(group)
		if err != nil {
			return false, err
		}
		if bitmap == nil && bit < u.fs.superBlocks(group) || bitmap != nil && bitmap[bit/8]>>(bit%8)&1 != 0 {
			return true, nil
		}
	}
	return false, nil
}

func (u *Usage) bitmap(group uint32) ([]byte, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p, known := u.groups[group]; known {
		return p, nil
	}
	p := make([]byte, u.fs.sb.blockSize)
	ok, err := u.fs.InUse(group, p)
	if err != nil {
		return nil, err
	}
	if !ok {
		p = nil
	}
	u.groups[group] = p
	return p, nil
}
