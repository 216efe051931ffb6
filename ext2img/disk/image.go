package disk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"purebundle/ext2img"
	"purebundle/ext2img/internal/sparse"
)

// Image is a disk whose root file system is laid out.
type Image struct {
	*Layout
	root  *ext2img.Plan
	fixed *sparse.Device // boot code and partition tables
	first ext2img.Parts  // what lies before root, as it was at the layout
}

// Image joins the layout of a disk with that of its root file system.
func (l *Layout) Image(root *ext2img.Plan) (*Image, error) {
	m := &Image{Layout: l, root: root, fixed: sparse.New(l.lead + root.Size())}
	for i := range l.table.Partitions {
		if p := &l.table.Partitions[i]; p.Root {
			p.Start, p.Size = l.lead, root.Size()-Tail
		}
	}
	if err := l.table.write(m.fixed, l.table.Partitions); err != nil {
		return nil, fmt.Errorf("partition table: %w", err)
	}
	var err error
	m.first, _, err = m.before()
	return m, err
}

// Size returns the length of the disk in bytes, whole parts.
func (m *Image) Size() int64 { return m.fixed.Size }

// Table returns the table of the disk, with the place of each partition.
func (m *Image) Table() *Table { return m.table }

// Stats returns the figures of the root file system.
func (m *Image) Stats() ext2img.Stats { return m.root.Stats() }

// leadParts returns the number of parts before root.
func (m *Image) leadParts() int { return int(m.lead / m.partSize) }

// Parts returns what the parts hold, see ext2img.Plan.Parts.
func (m *Image) Parts() ext2img.Parts {
	root := m.root.Parts()
	ps := ext2img.Parts{Data: slices.Concat(m.first.Data, m.shift(root.Data)), Meta: m.shift(root.Meta), Zero: slices.Concat(m.first.Zero, m.shift(root.Zero))}
	if last := m.last(); slices.Contains(ps.Zero, last) && m.hasTail() {
		ps.Zero = slices.DeleteFunc(ps.Zero, func(i int) bool { return i == last })
		ps.Meta = append(ps.Meta, last)
	}
	return ps
}

// last returns the last part of the disk, which has the backup of a GPT.
func (m *Image) last() int { return int(m.Size()/m.partSize) - 1 }

// hasTail says whether something lies behind root.
func (m *Image) hasTail() bool { return m.table.Kind == GPT }

// shift numbers parts of root as those of the disk.
func (m *Image) shift(parts []int) []int {
	out := make([]int, len(parts))
	for i, n := range parts {
		out[i] = n + m.leadParts()
	}
	return out
}

// before reads which parts before root are not zero, and what they hold at this moment.
func (m *Image) before() (ps ext2img.Parts, snaps []snapshot, err error) {
	inUse := make([]bool, m.leadParts())
	mark := func(r run) {
		for i := r.start / m.partSize; i*m.partSize < min(r.end(), m.lead); i++ {
			inUse[i] = true
		}
	}
	for n := range m.fixed.Blocks {
		mark(run{n * sparse.BlockSize, sparse.BlockSize})
	}
	for _, r := range m.regions {
		s, err := r.snapshot()
		if err != nil {
			return ps, nil, err
		}
		for _, u := range s.runs {
			mark(run{r.start + u.start, u.count})
		}
		snaps = append(snaps, s)
	}
	for i, used := range inUse {
		if used {
			ps.Data = append(ps.Data, i)
		} else {
			ps.Zero = append(ps.Zero, i)
		}
	}
	return ps, snaps, nil
}

// maxTries is how often the parts before root are made if they change meanwhile.
const maxTries = 3

// Make makes all parts of the disk, see ext2img.Plan.Make: those before root, then
// root's in its order, then the last one if root left it zero.
func (m *Image) Make(ctx context.Context, out ext2img.Output) (ext2img.Report, error) {
	warning, err := m.makeBefore(ctx, out)
	if err != nil {
		return ext2img.Report{}, err
	}
	last, made := m.last(), false
	report, err := m.root.Make(ctx, ext2img.Output{
		Parts: func(ctx context.Context, b ext2img.Batch) error {
			b.Parts = m.shift(b.Parts)
			made = made || slices.Contains(b.Parts, last)
			b.Image = rootReader{m, b.Image}
			return out.Parts(ctx, b)
		},
		Zeros: func(ctx context.Context, parts []int) error {
			parts = m.shift(parts)
			if m.hasTail() {
				parts = slices.DeleteFunc(parts, func(i int) bool { return i == last })
			}
			return out.Zeros(ctx, parts)
		},
	})
	if warning != "" {
		report.Warnings = append(report.Warnings, ext2img.Warning{Path: "", Text: warning})
	}
	if err != nil || made || !m.hasTail() {
		return report, err
	}
	return report, out.Parts(ctx, ext2img.Batch{Parts: []int{last}, Image: rootReader{m, zeros{}}})
}

// makeBefore makes the parts before root, again if what they hold changes meanwhile. It
// returns a warning if that does not end.
func (m *Image) makeBefore(ctx context.Context, out ext2img.Output) (warning string, err error) {
	var made []int
	for try := range maxTries {
		ps, snaps, err := m.before()
		if err != nil {
			return "", err
		}
		first, err := digests(snaps)
		if err != nil {
			return "", err
		}
		made = union(made, ps.Data)
		if err := out.Parts(ctx, ext2img.Batch{Parts: made, Image: beforeReader{m, snaps}, Again: try > 0}); err != nil {
			return "", err
		}
		if _, snaps, err = m.before(); err != nil {
			return "", err
		}
		second, err := digests(snaps)
		if err != nil {
			return "", err
		}
		if slices.Equal(first, second) {
			warning = ""
			break
		}
		warning = "the partitions before root change while they are read: they may be of several moments"
	}
	var rest []int
	for i := range m.leadParts() {
		if !slices.Contains(made, i) {
			rest = append(rest, i)
		}
	}
	if len(rest) == 0 {
		return warning, nil
	}
	return warning, out.Zeros(ctx, rest)
}

func digests(snaps []snapshot) (list [][sha256.Size]byte, err error) {
	for _, s := range snaps {
		d, err := s.digest()
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	return list, nil
}

// union returns the numbers of both lists, ascending.
func union(a, b []int) []int {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// beforeReader reads what lies before root.
type beforeReader struct {
	m     *Image
	snaps []snapshot
}

// ReadAt implements io.ReaderAt.
func (r beforeReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > r.m.lead {
		return 0, fmt.Errorf("read disk at %d: not before root", off)
	}
	if _, err := r.m.fixed.ReadAt(p, off); err != nil {
		return 0, err
	}
	for _, s := range r.snaps {
		from, to := max(s.start, off), min(s.end(), off+int64(len(p)))
		if from >= to {
			continue
		}
		if err := s.readAt(p[from-off:to-off], from-s.start); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// rootReader reads root's parts, and the table behind it.
type rootReader struct {
	m    *Image
	root io.ReaderAt
}

// ReadAt implements io.ReaderAt.
func (r rootReader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.root.ReadAt(p, off-r.m.lead)
	if err != nil && !errors.Is(err, io.EOF) {
		return n, err
	}
	tail := r.m.Size() - Tail
	if end := off + int64(n); end > tail {
		from := max(off, tail)
		if _, err := r.m.fixed.ReadAt(p[from-off:n], from); err != nil {
			return 0, err
		}
	}
	return n, err
}

// zeros reads as zeros.
type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
