package chunk

import (
	"fmt"
	"path"
	"strings"
)

// check returns what is wrong with a manifest, read or about to be written: the one
// rule for both.
func (m *Manifest) check() error {
	if err := CheckPrefix(m.Prefix); err != nil {
		return err
	}
	if m.PartSize != Size {
		return fmt.Errorf("part_size is %d instead of %d", m.PartSize, Size)
	}
	if err := m.Image.check(); err != nil {
		return err
	}
	if fs := m.SourceFS; fs != nil && fs.UUID != "" && !isUUID(fs.UUID) {
		return fmt.Errorf("source_fs.uuid %q is no UUID", fs.UUID)
	}
	if m.Disk != nil {
		if err := m.Disk.check(m.Image.Size); err != nil {
			return err
		}
	}
	n := m.Image.Size / Size
	if int64(len(m.Parts)) != n {
		return fmt.Errorf("lists %d parts, but an image of %d bytes has %d", len(m.Parts), m.Image.Size, n)
	}
	for i, p := range m.Parts {
		if want := PartName(m.Prefix, i, len(m.Parts)); p.Name != want {
			return fmt.Errorf("parts[%d] is named %q instead of %q", i, p.Name, want)
		}
		if p.Size != Size {
			return fmt.Errorf("%s: size is %d instead of %d", p.Name, p.Size, Size)
		}
		if !isHex(p.SHA256, 64) {
			return fmt.Errorf("%s: sha256 %q is not 64 lower-case hexadecimal digits", p.Name, p.SHA256)
		}
	}
	if m.Created.IsZero() {
		return cause("created is missing")
	}
	return m.Counts.check()
}

func (im *Image) check() error {
	switch {
	case im.Size <= 0 || im.Size%Size != 0:
		return fmt.Errorf("image.size %d is no multiple of %d", im.Size, Size)
	case im.FSSize < 0 || im.FSSize > im.Size:
		return fmt.Errorf("image.fs_size %d is not within the image of %d bytes", im.FSSize, im.Size)
	case im.BlockSize < 0 || im.BlockSize > 1<<16:
		return fmt.Errorf("image.block_size %d is out of range", im.BlockSize)
	case im.Blocks < 0 || im.BlockSize > 0 && im.Blocks > im.FSSize/im.BlockSize:
		return fmt.Errorf("image.blocks %d is more than the file system holds", im.Blocks)
	case im.FreeBlocks < 0 || im.FreeBlocks > im.Blocks:
		return fmt.Errorf("image.free_blocks %d is not within the %d blocks", im.FreeBlocks, im.Blocks)
	case im.Inodes < 0:
		return fmt.Errorf("image.inodes %d is negative", im.Inodes)
	case im.FreeInodes < 0 || im.FreeInodes > im.Inodes:
		return fmt.Errorf("image.free_inodes %d is not within the %d inodes", im.FreeInodes, im.Inodes)
	case im.UUID != "" && !isUUID(im.UUID):
		return fmt.Errorf("image.uuid %q is no UUID", im.UUID)
	}
	return nil
}

// check checks what readers of a disk of size bytes rely on.
func (d *Disk) check(size int64) error {
	for _, p := range d.Partitions {
		switch {
		case p.Start < 0 || p.Size <= 0 || p.Size > size-p.Start:
			return fmt.Errorf("disk: partition %d of %d bytes at %d is not within the disk of %d bytes", p.Number, p.Size, p.Start, size)
		case p.Mount != "" && (!path.IsAbs(string(p.Mount)) || path.Clean(string(p.Mount)) != string(p.Mount) || p.Root):
			return fmt.Errorf("disk: partition %d: mount %q is no path of a directory below the root", p.Number, p.Mount)
		}
	}
	return nil
}

func (c *Counts) check() error {
	for _, v := range []int64{c.Entries, c.Files, c.Directories, c.Symlinks, c.HardLinks, c.Devices, c.FIFOs, c.Sockets, c.FileBytes, c.DataBytes} {
		if v < 0 {
			return fmt.Errorf("counts has a negative number: %d", v)
		}
	}
	return nil
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

func isUUID(s string) bool {
	groups := strings.Split(s, "-")
	if len(groups) != 5 {
		return false
	}
	for i, n := range []int{8, 4, 4, 4, 12} {
		if !isHex(groups[i], n) {
			return false
		}
	}
	return true
}
