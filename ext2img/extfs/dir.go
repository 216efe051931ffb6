package extfs

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"purebundle/ext2img/internal/ondisk"
)

// DirEntry is one name of a directory.
type DirEntry struct {
	Ino  uint32
	Type uint8 // 1 file, 2 directory, 3 char, 4 block, 5 fifo, 6 socket, 7 symlink; 0 unknown
	Name string
}

// ReadDir gives the names of a directory in on-disk order, without "." and
// "..". It stops after an error. Names may come up twice if the image is
// damaged.
func (f *FS) ReadDir(n *Inode) iter.Seq2[DirEntry, error] {
	return func(yield func(DirEntry, error) bool) {
		for b, err := range f.dirBlocks(n, nil) {
			if err == nil {
				err = f.verifyDirBlock(n, b)
			}
			if err != nil {
				yield(DirEntry{}, err)
				return
			}
			for e, err := range f.entries(b.data) {
				if err != nil {
					yield(DirEntry{}, fmt.Errorf("directory %d: block %d: %w", n.Ino, b.block, err))
					return
				}
				name := string(e.name)
				if e.ino == 0 || name == "." || name == ".." {
					continue
				}
				if !yield(DirEntry{Ino: e.ino, Type: f.fileType(&e), Name: name}, nil) {
					return
				}
			}
		}
	}
}

// ReadDirSorted gives the names of a directory in byte order. It holds them
// all: no more bytes than a few times the directory's blocks.
func (f *FS) ReadDirSorted(n *Inode) ([]DirEntry, error) {
	var list []DirEntry
	for e, err := range f.ReadDir(n) {
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b DirEntry) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// dirBlock is one block of a directory; data is valid until the next one.
type dirBlock struct {
	block uint64 // logical
	phys  uint64
	data  []byte
}

// dirBlocks gives the blocks of a directory, as they are, one after another in
// data, or in a new buffer if that is nil. A block that is mapped twice is an
// error: a few bytes of image could else be any number of names.
func (f *FS) dirBlocks(n *Inode, data []byte) iter.Seq2[dirBlock, error] {
	return func(yield func(dirBlock, error) bool) {
		if !n.IsDir() {
			yield(dirBlock{}, fmt.Errorf("inode %d is not a directory", n.Ino))
			return
		}
		if err := n.readable(); err != nil {
			yield(dirBlock{}, err)
			return
		}
		if data == nil {
			data = make([]byte, f.sb.blockSize)
		}
		var seen bitset
		for s, err := range f.segments(n) {
			if err != nil {
				yield(dirBlock{}, err)
				return
			}
			if again, count := seen.setRange(s.phys, s.count); count > 0 {
				yield(dirBlock{}, fmt.Errorf("directory %d: block %d is mapped twice", n.Ino, again))
				return
			}
			for i := range s.count {
				b := dirBlock{block: s.block + i, phys: s.phys + i, data: data}
				if err := f.readBlocks(data, b.phys); err != nil {
					yield(dirBlock{}, fmt.Errorf("directory %d: %w", n.Ino, err))
					return
				}
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

// verifyDirBlock verifies the checksum of a leaf, or of an htree node.
func (f *FS) verifyDirBlock(n *Inode, b dirBlock) error {
	if !f.sb.metadataCsum() {
		return nil
	}
	ok := false
	if offset := f.indexOffset(n, b); offset != 0 {
		ok = f.indexChecksumOK(n, b.data, offset)
	} else {
		ok = f.leafChecksumOK(n, b.data)
	}
	if !ok {
		return fmt.Errorf("directory %d: block %d: bad checksum", n.Ino, b.block)
	}
	return nil
}

// indexOffset gives the place of limit and count in an htree node, 0 for a
// leaf. To those who do not know htree, the root is a block with just "." and
// "..", and a node below it one unused entry.
func (f *FS) indexOffset(n *Inode, b dirBlock) int {
	if n.Flags&ondisk.IndexFl == 0 || f.sb.compat&ondisk.CompatDirIndex == 0 {
		return 0
	}
	if b.block == 0 {
		return ondisk.DxRootEntries
	}
	if le32(b.data, 0) == 0 && f.recLen(b.data, 0) == len(b.data) {
		return ondisk.DxNodeEntries
	}
	return 0
}

// entry is struct ext4_dir_entry_2; name lies in the block.
type entry struct {
	off    int // in the block
	ino    uint32
	recLen int
	kind   uint8
	name   []byte
}

// fileType returns the type of an entry, 0 if the file system does not say.
func (f *FS) fileType(e *entry) uint8 {
	if f.sb.incompat&ondisk.IncompatFiletype == 0 {
		return 0
	}
	return e.kind
}

// entries gives the entries of a block, unused ones (inode 0) and a checksum
// tail included.
func (f *FS) entries(block []byte) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		for off := 0; off < len(block); {
			if len(block)-off < ondisk.DirHeaderSize {
				yield(entry{}, fmt.Errorf("entry at %d: no room", off))
				return
			}
			e := entry{off: off, ino: le32(block, off+ondisk.DeInode), recLen: f.recLen(block, off), kind: block[off+ondisk.DeFileType]}
			nameLen := int(block[off+ondisk.DeNameLen])
			if e.recLen < ondisk.DirHeaderSize+nameLen || e.recLen < 12 || e.recLen%4 != 0 || e.recLen > len(block)-off {
				yield(entry{}, fmt.Errorf("entry at %d: length %d with a name of %d bytes", off, e.recLen, nameLen))
				return
			}
			e.name = block[off+ondisk.DirHeaderSize : off+ondisk.DirHeaderSize+nameLen]
			if !yield(e, nil) {
				return
			}
			off += e.recLen
		}
	}
}

// recLen decodes rec_len, whose lowest two bits are the highest in blocks of
// 64 KiB.
func (f *FS) recLen(block []byte, off int) int {
	n := int(le16(block, off+ondisk.DeRecLen))
	if len(block) < 1<<16 {
		return n
	}
	if n == 0 || n == 1<<16-1 {
		return len(block)
	}
	return n&^3 | n&3<<16
}
