package disk

import (
	"context"
	"crypto/sha256"
	"slices"

	"purebundle/ext2img"
	"purebundle/ext2img/internal/sparse"
)

// leadParts returns the number of parts before the first file system that is made.
func (m *Image) leadParts() int { return int(m.copied / m.partSize) }

// before reads which of those parts are not zero, and what they hold at this moment.
func (m *Image) before() (ps ext2img.Parts, snaps []snapshot, err error) {
	inUse := make([]bool, m.leadParts())
	mark := func(r run) {
		for i := r.start / m.partSize; i*m.partSize < min(r.end(), m.copied); i++ {
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
	m.mu.Lock()
	defer m.mu.Unlock()
	m.used = m.used[:0:0] // what was read of it may be in use elsewhere
	for _, s := range snaps {
		for _, u := range s.runs {
			m.used = append(m.used, run{s.start + u.start, u.count})
		}
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

// InUse says whether any of n bytes of the disk from off on belong to a file or to
// metadata, see ext2img.Plan.InUse.
func (m *Image) InUse(off, n int64) bool {
	for b := off / sparse.BlockSize; b*sparse.BlockSize < off+n; b++ {
		if m.fixed.Blocks[b] != nil {
			return true
		}
	}
	m.mu.Lock()
	copied := m.used
	m.mu.Unlock()
	for _, u := range copied {
		if u.start < off+n && off < u.end() {
			return true
		}
	}
	for _, s := range m.systems {
		from, to := max(off, s.start), min(off+n, s.start+s.Plan.Size())
		if from < to && s.Plan.InUse(from-s.start, to-from) {
			return true
		}
	}
	return false
}

// maxTries is how often the copied parts are made if they change meanwhile.
const maxTries = 3

// makeBefore makes the parts that are copied, again if what they hold changes meanwhile. It
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
