package ebs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/dir"
	"purebundle/chunk/work"
)

// Making says what is made.
type Making struct {
	Description string
	Tags        map[string]string
	Encrypt     bool   // with KMSKey or the account's; false: as the account has it by default
	KMSKey      string // ARN; "": the account's
	// InUse says whether any of n bytes of the image from off on belong to a file or to
	// metadata, zero or not. nil: all do.
	InUse func(off, n int64) bool
	// Prefix is that of the bundle whose manifest Commit keeps in the snapshot.
	Prefix string
	// Parent, if not nil, returns the snapshot that this one is to be made of: what is the same
	// is not put. Its Bundle was opened. nil: there is none. It is called once, when the
	// snapshot is started.
	Parent func() *Snapshot
	// Alone, if not nil, is told why the parent is none after all.
	Alone func(why string)
	// Started, if not nil, is told the id as soon as it is known, and whether the snapshot
	// is encrypted.
	Started func(id string, encrypted bool)
	// Journal, if not nil, has a snapshot that is gone on with, if that can be, or notes what
	// becomes of a new one: Abort leaves it then.
	Journal *Journal
	// Anew, if not nil, is told why the snapshot of the journal cannot be gone on with.
	Anew func(id, why string)
}

// idle is for how long nothing may be written to a snapshot before EBS gives it up, in
// minutes: longer than any request is tried for, and than a batch of parts is planned.
const idle = 60

// Writer makes one snapshot: Preflight, Write and WriteZero until every part is made,
// Commit; Abort at any time. The snapshot is started by the first part.
type Writer struct {
	client *Client
	making Making
	bufs   work.Buffers
	zeros  []byte            // a block
	zero   [sha256.Size]byte // its digest

	start  sync.Mutex // held while the snapshot is started
	token  string
	id     string // "": not started
	began  time.Time
	gib    int64     // size of the volume
	parent *Snapshot // once it is started; nil: there is none

	mu     sync.Mutex
	asked  bool // StartSnapshot was sent
	closed bool
	sealed bool
	parts  int
	made   map[int]madePart
	sums   map[int32][sha256.Size]byte // of the blocks that were put, by a run before this one, too
	unsure map[int32]bool              // blocks that such a run may have put
	noted  bool                        // the journal has the snapshot
	sent   int64                       // bytes
}

// madePart is a part that is made.
type madePart struct {
	sum   string // its digest
	taken bool   // it is the parent's
	kept  bool   // it was there, put by a run before this one
}

// readers is how many parts are read at once, each into a buffer of chunk.Size bytes.
const readers = 4

// grace is how long a cancelled run waits for its workers.
const grace = 300 * time.Millisecond

// Create begins a snapshot. Nothing is sent yet.
func (c *Client) Create(m Making) *Writer {
	w := &Writer{client: c, making: m, token: uuid.NewString(), zeros: make([]byte, BlockSize), made: map[int]madePart{}, sums: map[int32][sha256.Size]byte{}}
	w.zero = sha256.Sum256(w.zeros)
	return w
}

// ID returns the id of the snapshot, "" as long as it is not started.
func (w *Writer) ID() string {
	w.start.Lock()
	defer w.start.Unlock()
	return w.id
}

// Held returns "": a snapshot is in no directory of this machine.
func (w *Writer) Held() string { return "" }

// Preflight tells how many parts there will be.
func (w *Writer) Preflight(parts int, _ int64) error {
	size := int64(parts) * chunk.Size
	if parts <= 0 || size > 64<<40 {
		return &chunk.Error{Op: "start", Path: Scheme, Err: fmt.Errorf("a disk of %d bytes", size), Hint: "a volume has at most 64 TiB"}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.parts = parts
	return nil
}

// begin starts the snapshot, once.
func (w *Writer) begin(ctx context.Context) error {
	w.start.Lock()
	defer w.start.Unlock()
	w.mu.Lock()
	closed := w.closed
	w.asked = w.asked || !closed
	w.mu.Unlock()
	switch {
	case closed:
		return &chunk.Error{Op: "write", Path: Scheme + w.id, Err: os.ErrClosed}
	case w.id != "":
		return nil
	}
	if w.gib == 0 {
		w.gib = volumeGiB(w.parts)
		w.parent = w.choose()
	}
	if going, err := w.goOn(ctx); going || err != nil {
		return err
	}
	out, err := w.request(ctx)
	if w.parent != nil && isInvalid(err) { // such as that all is to be encrypted by now
		w.alone(err.Error())
		w.token = uuid.NewString()
		out, err = w.request(ctx)
	}
	if err != nil {
		return w.client.explain(ctx, "start", "", err)
	}
	id := aws.ToString(out.SnapshotId)
	if size := aws.ToInt32(out.BlockSize); size != 0 && size != BlockSize {
		return &chunk.Error{Op: "start", Path: Scheme + id, Err: fmt.Errorf("EBS wants blocks of %d bytes, and only those of %d are made", size, BlockSize)}
	}
	w.id, w.began = id, time.Now()
	if err := w.note(out); err != nil {
		return err
	}
	if w.making.Started != nil {
		w.making.Started(id, out.KmsKeyArn != nil || out.SseType == types.SSETypeSseKms || out.SseType == types.SSETypeSseEbs)
	}
	return nil
}

// request sends StartSnapshot: twice, it is the same snapshot.
func (w *Writer) request(ctx context.Context) (*ebs.StartSnapshotOutput, error) {
	in := w.input()
	return w.client.ebs.StartSnapshot(awsapi.WithSubject(ctx, fmt.Sprintf("of %d GiB", *in.VolumeSize)), in)
}

// input returns what StartSnapshot is told.
func (w *Writer) input() *ebs.StartSnapshotInput {
	m := &w.making
	in := &ebs.StartSnapshotInput{VolumeSize: &w.gib, ClientToken: &w.token, Timeout: aws.Int32(idle)}
	if m.Journal != nil {
		in.Timeout = aws.Int32(idleKept)
	}
	if m.Description != "" {
		in.Description = &m.Description
	}
	switch {
	case w.parent != nil: // which says how it is encrypted
		in.ParentSnapshotId = &w.parent.id
	case m.KMSKey != "":
		in.KmsKeyArn = &m.KMSKey
		fallthrough
	case m.Encrypt:
		in.Encrypted = aws.Bool(true)
	}
	for _, key := range slices.Sorted(maps.Keys(m.Tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(key), Value: aws.String(m.Tags[key])})
	}
	return in
}

// Write makes the parts with these numbers from img, which is read with ReadAt from
// several goroutines, one whole part at a time. A part that was made before is made
// again. done, if not nil, is called after each part, never twice at once.
//
// When ctx is done, Write returns within a fraction of a second. A ReadAt of img
// that does not return for longer than that is then left behind.
func (w *Writer) Write(ctx context.Context, img io.ReaderAt, parts []int, done func(part int)) error {
	return w.each(ctx, parts, done, func(ctx context.Context, i int) error {
		buf, err := w.bufs.Get(chunk.Size)
		if err != nil {
			return err
		}
		defer w.bufs.Put(buf)
		n, err := img.ReadAt(buf, int64(i)*chunk.Size)
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case n < chunk.Size:
			return fmt.Errorf("read image: part %d has %d bytes: %w", i, n, io.ErrUnexpectedEOF)
		}
		return w.part(ctx, i, buf)
	})
}

// WriteZero makes parts that are all zero: of them, the blocks that are in use are put.
// done is as for Write.
func (w *Writer) WriteZero(ctx context.Context, parts []int, done func(part int)) error {
	return w.each(ctx, parts, done, func(ctx context.Context, i int) error { return w.part(ctx, i, nil) })
}

// each does something about parts, of which readers are at work at once.
func (w *Writer) each(ctx context.Context, parts []int, done func(part int), do func(context.Context, int) error) error {
	if len(parts) == 0 {
		return nil
	}
	if err := w.begin(ctx); err != nil {
		return err
	}
	t := work.Teller{Fn: done}
	workers := readers
	if w.parent != nil { // few are made, then, and each takes a buffer
		workers = min(workers, 2+len(parts)/8)
	}
	return work.Each(ctx, work.Crew{Workers: workers, Grace: grace}, parts, func(ctx context.Context, i int) error {
		if i < 0 || i >= w.parts {
			return &chunk.Error{Op: "write", Path: Scheme + w.id, Err: fmt.Errorf("part number out of range: %d of %d", i, w.parts)}
		}
		if err := do(ctx, i); err != nil {
			return err
		}
		t.Tell(ctx, i)
		return nil
	})
}

// part puts those blocks of part i that are not there as they are to be. buf is nil if it
// is all zero.
func (w *Writer) part(ctx context.Context, i int, buf []byte) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	empty := true
	var wg sync.WaitGroup
	var sent atomic.Bool
	for k := range perPart {
		index, p := int32(i*perPart+k), w.zeros
		if buf != nil {
			p = buf[k*BlockSize : (k+1)*BlockSize]
		}
		isZero := buf == nil || dir.AllZero(p)
		empty = empty && isZero
		if isZero && !w.needed(index) {
			continue
		}
		wg.Go(func() {
			put, err := w.block(ctx, index, p, isZero)
			if err != nil {
				cancel(err)
			}
			if put {
				sent.Store(true)
			}
		})
	}
	part := madePart{sum: chunk.ZeroSum}
	if !empty { // while the blocks are on their way
		sum := sha256.Sum256(buf)
		part.sum = hex.EncodeToString(sum[:])
	}
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	part.kept = w.noted && !empty && !sent.Load()
	w.made[i] = part
	return nil
}

// there returns the digest of a block as it is in the snapshot by now; ok is false if it is
// not there.
func (w *Writer) there(index int32) (sum [sha256.Size]byte, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.has(index)
}

// has does what there does. w.mu is held.
func (w *Writer) has(index int32) (sum [sha256.Size]byte, ok bool) {
	if sum, ok = w.sums[index]; ok || w.parent == nil {
		return sum, ok
	}
	return w.parent.tail.digest(index)
}

// needed says whether a block that is all zero must be there.
func (w *Writer) needed(index int32) bool {
	w.mu.Lock()
	_, there := w.has(index)
	there = there || w.unsure[index]
	w.mu.Unlock()
	return there || w.making.InUse == nil || w.making.InUse(int64(index)*BlockSize, BlockSize)
}

// block puts a block if it is not there as it is to be, and notes its digest.
func (w *Writer) block(ctx context.Context, index int32, p []byte, isZero bool) (put bool, err error) {
	sum := w.zero
	if !isZero {
		sum = sha256.Sum256(p)
	}
	if have, there := w.there(index); there && have == sum {
		return false, nil
	}
	if j := w.making.Journal; j != nil {
		err = j.put(index)
	}
	if err == nil {
		err = w.put(ctx, index, p, sum)
	}
	if err != nil {
		return false, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sums[index] = sum
	delete(w.unsure, index)
	w.sent += BlockSize
	return true, nil
}

// Stats says what was made so far.
func (w *Writer) Stats() chunk.Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := chunk.Stats{Parts: len(w.made), Bytes: w.sent}
	for _, part := range w.made {
		if part.sum == chunk.ZeroSum {
			s.ZeroParts++
		}
		if part.taken {
			s.Taken++
		}
		if part.kept {
			s.Kept++
		}
	}
	return s
}

// Blocks returns how many blocks were put.
func (w *Writer) Blocks() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sums)
}
