package disk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"purebundle/ext2img"
	"purebundle/ext2img/internal/sparse"
)

// Image is a disk whose file systems are laid out.
type Image struct {
	*Layout
	systems []system       // in their order on the disk, root last
	fixed   *sparse.Device // boot code and partition tables
	first   ext2img.Parts  // what is copied, as it was at the layout

	mu   sync.Mutex
	used []run // of what is copied, when it was last read
}

// FileSystem is an ext4 that is made for a partition.
type FileSystem struct {
	Number int    // of the partition
	At     string // where it is mounted in the tree, "/boot": its report has paths from there; "" or "/" for root
	Plan   *ext2img.Plan
}

// system is a file system in its place.
type system struct {
	FileSystem
	start int64 // bytes, whole parts
	tail  bool  // the last sectors of its last part are the backup of a GPT
}

// Image joins the layout of a disk with those of the file systems that are made for it, one
// for each partition without Content.
func (l *Layout) Image(systems ...FileSystem) (*Image, error) {
	m := &Image{Layout: l}
	for i := range l.table.Partitions {
		p := &l.table.Partitions[i]
		if !p.made() {
			continue
		}
		at := slices.IndexFunc(systems, func(f FileSystem) bool { return f.Number == p.Number })
		if at < 0 {
			return nil, fmt.Errorf("partition %d: no file system is made for it", p.Number)
		}
		plan := systems[at].Plan
		switch {
		case p.Root:
			p.Start, p.Size = l.lead, plan.Size()-Tail
		case plan.Stats().FSSize > p.Size || plan.Size() != ceilDiv(p.Size, l.partSize)*l.partSize:
			return nil, fmt.Errorf("partition %d of %d bytes: its file system has %d", p.Number, p.Size, plan.Stats().FSSize)
		}
		m.systems = append(m.systems, system{systems[at], p.Start, p.Root && l.table.Kind == GPT})
	}
	if len(m.systems) != len(systems) {
		return nil, fmt.Errorf("%d file systems for %d partitions", len(systems), len(m.systems))
	}
	slices.SortFunc(m.systems, func(a, b system) int { return cmp.Compare(a.start, b.start) })
	m.fixed = sparse.New(l.lead + m.root().Plan.Size())
	if err := l.table.write(m.fixed, l.table.Partitions); err != nil {
		return nil, fmt.Errorf("partition table: %w", err)
	}
	var err error
	m.first, _, err = m.before()
	return m, err
}

// root returns the last file system.
func (m *Image) root() *system { return &m.systems[len(m.systems)-1] }

// Size returns the length of the disk in bytes, whole parts.
func (m *Image) Size() int64 { return m.fixed.Size }

// Table returns the table of the disk, with the place of each partition.
func (m *Image) Table() *Table { return m.table }

// FileSystems returns what is made, in the order on the disk: root is the last.
func (m *Image) FileSystems() (list []FileSystem) {
	for _, s := range m.systems {
		list = append(list, s.FileSystem)
	}
	return list
}

// Stats returns the figures of the root file system; DataBytes and Entries are those of all.
func (m *Image) Stats() ext2img.Stats {
	all := m.root().Plan.Stats()
	for _, s := range m.systems[:len(m.systems)-1] {
		stats := s.Plan.Stats()
		all.DataBytes += stats.DataBytes
		all.Entries += stats.Entries
	}
	return all
}

// Used returns how many bytes of the disk are not free space, at most.
func (m *Image) Used() int64 {
	used := int64(len(m.first.Data)) * m.partSize
	for _, s := range m.systems {
		used += s.Plan.Used()
	}
	return used
}

// Parts returns what the parts hold, see ext2img.Plan.Parts.
func (m *Image) Parts() ext2img.Parts {
	all := m.first
	for _, s := range m.systems {
		ps := s.Plan.Parts()
		last := int(s.Plan.Size()/m.partSize) - 1
		if s.tail && slices.Contains(ps.Zero, last) {
			ps.Zero = without(ps.Zero, last)
			ps.Meta = append(ps.Meta, last)
		}
		if s.tail && slices.Contains(ps.Kept, last) {
			ps.Kept = without(slices.Clone(ps.Kept), last)
			ps.Data = append(slices.Clone(ps.Data), last)
		}
		all.Data = slices.Concat(all.Data, m.shift(s, ps.Data))
		all.Meta = slices.Concat(all.Meta, m.shift(s, ps.Meta))
		all.Zero = slices.Concat(all.Zero, m.shift(s, ps.Zero))
		all.Kept = slices.Concat(all.Kept, m.shift(s, ps.Kept))
	}
	return all
}

// shift numbers parts of a file system as those of the disk.
func (m *Image) shift(s system, parts []int) []int {
	out := make([]int, len(parts))
	for i, n := range parts {
		out[i] = n + int(s.start/m.partSize)
	}
	return out
}

// unshift does the reverse.
func unshift(s system, partSize int64, parts []int) []int {
	out := make([]int, len(parts))
	for i, n := range parts {
		out[i] = n - int(s.start/partSize)
	}
	return out
}

func without(parts []int, part int) []int {
	return slices.DeleteFunc(parts, func(i int) bool { return i == part })
}

// Make makes all parts of the disk, see ext2img.Plan.Make: those that are copied, then each
// file system's in its order, then the last one if root left it zero.
func (m *Image) Make(ctx context.Context, out ext2img.Output) (ext2img.Report, error) {
	var all ext2img.Report
	warning, err := m.makeBefore(ctx, out)
	if warning != "" {
		all.Warnings = append(all.Warnings, ext2img.Warning{Path: "", Text: warning})
	}
	for i := 0; i < len(m.systems) && err == nil; i++ {
		var report ext2img.Report
		report, err = m.makeSystem(ctx, m.systems[i], out)
		all.Join(report, m.systems[i].At)
	}
	return all, err
}

// makeSystem makes the parts of one file system, and what lies behind it.
func (m *Image) makeSystem(ctx context.Context, s system, out ext2img.Output) (ext2img.Report, error) {
	last := int((s.start+s.Plan.Size())/m.partSize) - 1
	made := !s.tail // or there is nothing in it but zeros
	report, err := s.Plan.Make(ctx, ext2img.Output{
		Parts: func(ctx context.Context, b ext2img.Batch) error {
			b.Parts = m.shift(s, b.Parts)
			made = made || slices.Contains(b.Parts, last)
			b.Image = systemReader{m, s, b.Image}
			return out.Parts(ctx, b)
		},
		Zeros: func(ctx context.Context, parts []int) error {
			parts = m.shift(s, parts)
			if s.tail {
				parts = without(parts, last)
			}
			return out.Zeros(ctx, parts)
		},
		Keep: func(ctx context.Context, parts []int) (lost []int, err error) {
			if out.Keep == nil {
				return parts, nil
			}
			ours := m.shift(s, parts)
			if s.tail && slices.Contains(ours, last) {
				ours, lost = without(ours, last), []int{last}
			}
			more, err := out.Keep(ctx, ours)
			return unshift(s, m.partSize, append(more, lost...)), err
		},
	})
	if err != nil || made {
		return report, err
	}
	return report, out.Parts(ctx, ext2img.Batch{Parts: []int{last}, Image: systemReader{m, s, zeros{}}})
}
