package ebs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// Unfit says why a snapshot cannot be the parent of one that is made so, "" if it can, as
// far as that can be known before EBS is asked. A child is encrypted as its parent is.
func (s *Snapshot) Unfit(m Making) string {
	switch {
	case s.info.Encrypted && m.KMSKey != "" && m.KMSKey != s.info.KMSKey:
		return "it is encrypted with another key, " + s.info.KMSKey
	case !s.info.Encrypted && (m.Encrypt || m.KMSKey != ""):
		return "it is not encrypted, and the new one is to be"
	}
	return ""
}

// choose returns the parent if it can be one.
func (w *Writer) choose() *Snapshot {
	if w.making.Parent == nil {
		return nil
	}
	p := w.making.Parent()
	if p == nil || p.tail == nil {
		return nil
	}
	why := p.Unfit(w.making)
	switch {
	case why != "":
	case p.tail.image != int64(w.parts)*chunk.Size:
		why = fmt.Sprintf("its image has %d bytes, the new one %d", p.tail.image, int64(w.parts)*chunk.Size)
	default:
		w.gib = max(w.gib, p.size/gib)
	}
	if why != "" {
		w.alone(why)
		return nil
	}
	return p
}

// alone gives up the parent.
func (w *Writer) alone(why string) {
	w.parent = nil
	if w.making.Alone != nil {
		w.making.Alone(why)
	}
}

// isInvalid returns true if EBS says that a request cannot be granted as it is.
func isInvalid(err error) bool {
	_, invalid := errors.AsType[*types.ValidationException](err)
	return invalid
}

// Links says whether Keep copies nothing.
func (w *Writer) Links() bool { return true }

// Keep takes these parts as the parent has them: nothing is sent. It returns the parts that
// are not to be had, because there is no parent, or because it lacks a block that is in use. done is as for
// Write.
func (w *Writer) Keep(ctx context.Context, parts []int, done func(part int)) (lost []int, err error) {
	if err := w.begin(ctx); err != nil {
		return nil, err
	}
	if w.parent == nil {
		return parts, nil
	}
	t := work.Teller{Fn: done}
	for _, i := range parts {
		if !w.keep(i) {
			lost = append(lost, i)
			continue
		}
		t.Tell(ctx, i)
	}
	return lost, nil
}

// keep takes part i as the parent has it, if it has what is in use.
func (w *Writer) keep(i int) bool {
	sums := w.parent.parts
	if i < 0 || i >= len(sums) || sums[i].Zero() {
		return false
	}
	for k := range int32(perPart) {
		index := int32(i)*perPart + k
		sum, there := w.parent.tail.digest(index)
		if w.differs(index, sum) {
			return false
		}
		if !there && (w.making.InUse == nil || w.making.InUse(int64(index)*BlockSize, BlockSize)) {
			return false
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made[i] = madePart{sum: sums[i].SHA256, taken: true}
	return true
}

// differs says whether a run before this one has put a block otherwise than it is in the
// parent, or may have.
func (w *Writer) differs(index int32, sum [sha256.Size]byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	have, put := w.sums[index]
	return put && have != sum || w.unsure[index]
}

// putTail puts the last blocks, and zeros over what the parent has behind the image.
func (w *Writer) putTail(ctx context.Context, m *chunk.Manifest) error {
	t := tail{image: int64(w.parts) * chunk.Size}
	copied := *m
	digests := make([]string, w.parts)
	t.table = make([]byte, 0, w.parts*perPart*sha256.Size)
	w.mu.Lock()
	for i := range digests {
		digests[i] = w.made[i].sum
	}
	for i := range int32(w.parts * perPart) {
		sum, _ := w.has(i) // zeros if it is not there
		t.table = append(t.table, sum[:]...)
	}
	w.mu.Unlock()
	if err := copied.Describe(w.making.Prefix, digests); err != nil {
		return &chunk.Error{Op: "write", Path: Scheme + w.id, Err: err}
	}
	text, _, err := copied.Texts()
	if err != nil {
		return &chunk.Error{Op: "write", Path: Scheme + w.id, Err: err}
	}
	t.manifest = text
	all := t.blocks(w.id)
	first := int32((w.gib*gib - int64(len(all))) / BlockSize)
	if int64(first)*BlockSize < t.image {
		return &chunk.Error{Op: "write", Path: Scheme + w.id, Err: fmt.Errorf("the manifest of %d bytes has no room behind the image", len(text)), Hint: "choose another --size"}
	}
	var list []int32
	for i := range int32(len(all) / BlockSize) {
		list = append(list, first+i)
	}
	list = append(list, w.strays(first)...)
	if w.parent != nil {
		for _, i := range w.parent.Blocks() {
			if i >= int32(w.parts*perPart) && i < first {
				list = append(list, i)
			}
		}
	}
	slices.Sort(list)
	return work.Each(ctx, work.Crew{Workers: readers, Grace: grace}, slices.Compact(list), func(ctx context.Context, i int32) error {
		p := w.zeros
		if i >= first {
			p = all[int64(i-first)*BlockSize:][:BlockSize]
		}
		_, err := w.block(ctx, i, p, i < first)
		return err
	})
}
