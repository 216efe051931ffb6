package survey

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
)

// parent returns the disk of a partition.
func (h host) parent(b block) (block, error) { return h.blockIn(filepath.Dir(b.dir)) }

// openBlock opens a block device for reading.
func (h host) openBlock(dev uint64) (content, error) {
	f, err := h.open(dev)
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: only root can read it", err)
	}
	return f, err
}

// readDisk reads the table of a disk.
func (h host) readDisk(b block) (*Disk, error) {
	sectors, err := readInt(filepath.Join(b.dir, "size"))
	if err != nil {
		return nil, err
	}
	sectorSize, err := readInt(filepath.Join(b.dir, "queue/logical_block_size"))
	if err != nil {
		return nil, err
	}
	f, err := h.openBlock(b.dev)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	d, err := readTable(f, sectors*sysSector, sectorSize)
	if err != nil {
		return nil, err
	}
	d.Path = b.path
	return d, nil
}

// identifyAll finds out what the partitions hold, each from its own device: in the
// page cache of the whole disk what a file system wrote since can be missing.
func (s *survey) identifyAll() error {
	d := s.m.Disk
	for _, dev := range slices.Sorted(maps.Keys(s.devs)) {
		f, err := s.openBlock(dev)
		if err != nil {
			return err
		}
		err = d.identify(&d.Partitions[s.devs[dev]], f)
		f.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// sysSector is the unit of "size" and "start" in sysfs, in bytes, whatever the disk's
// sectors are.
const sysSector = 512

// match compares the table with the partitions that the kernel has, tells the names
// of their devices, and finds the root. Why says that the root is not in the table.
func (s *survey) match(disk, root block) (why string) {
	d := s.m.Disk
	s.devs = make(map[uint64]int)
	files, err := filepath.Glob(filepath.Join(disk.dir, "*/partition"))
	if err != nil {
		return err.Error()
	}
	for _, f := range files {
		b, err := s.blockIn(filepath.Dir(f))
		if err != nil {
			return fmt.Sprintf("a partition of %s is not known: %v", disk.path, err)
		}
		number, err1 := readInt(f)
		start, err2 := readInt(filepath.Join(b.dir, "start"))
		size, err3 := readInt(filepath.Join(b.dir, "size"))
		if err := errors.Join(err1, err2, err3); err != nil {
			return fmt.Sprintf("partition %s is not known: %v", b.path, err)
		}
		i := slices.IndexFunc(d.Partitions, func(p Partition) bool { return int64(p.Number) == number })
		same := i >= 0 && d.Partitions[i].Start == start*sysSector && (d.Partitions[i].Extended || d.Partitions[i].Size == size*sysSector)
		switch {
		case same:
			d.Partitions[i].Device = b.path
			s.devs[b.dev] = i
			if b.dev == root.dev {
				d.Root = i
			}
		case b.dev == root.dev:
			return fmt.Sprintf("the root is on %s, which the partition table of %s has otherwise or not at all: it was changed after the machine started; start it anew", b.path, disk.path)
		case i < 0:
			d.note("the kernel has %s, and the partition table has not: it was changed after the machine started", b.path)
		}
	}
	for _, p := range d.Partitions {
		if p.Device == "" {
			d.note("the kernel does not have partition %d of %s as the table: it was changed after the machine started", p.Number, disk.path)
		}
	}
	if d.Root < 0 {
		return fmt.Sprintf("the root is on %s, which %s has not in sysfs", root.path, disk.path)
	}
	return ""
}
