package ebs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/work"
)

// Snapshot is a snapshot that is complete, opened for reading. What is not in it reads
// as zeros. It is safe for concurrent use.
type Snapshot struct {
	client *Client
	ctx    context.Context // of ReadAt
	id     string
	size   int64 // bytes
	info   Info
	tail   *tail                          // nil: it has none, or Bundle was not called
	parts  []chunk.Part                   // of its manifest
	cache  work.Recent[int32, work.Pages] // blocks

	mu     sync.Mutex
	tokens map[int32]string // of the blocks that are there
}

// Info is what EC2 says of a snapshot.
type Info struct {
	Began       time.Time
	Description string
	Encrypted   bool
	KMSKey      string // ARN
	Tags        map[string]string
}

// maxCached is how many blocks are kept in memory.
const maxCached = 32

// maxListed is how many blocks are listed by one request.
const maxListed = 10000

// Open opens a snapshot. Reads of it end when ctx is done.
func (c *Client) Open(ctx context.Context, id string) (*Snapshot, error) {
	s := &Snapshot{client: c, ctx: ctx, id: id, tokens: map[int32]string{}, cache: work.Recent[int32, work.Pages]{Most: maxCached}}
	out, err := c.ec2.DescribeSnapshots(awsapi.WithSubject(ctx, id), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
	if err != nil {
		return nil, c.explain(ctx, "open", id, err)
	}
	if len(out.Snapshots) != 1 {
		return nil, &chunk.Error{Op: "open", Path: Scheme + id, Err: plain("there is no such snapshot"), Hint: "look at the id, at the region (" + c.Region() + ") and whose credentials these are"}
	}
	found := out.Snapshots[0]
	switch found.State {
	case ec2types.SnapshotStateCompleted:
	case ec2types.SnapshotStatePending:
		return nil, &chunk.Error{Op: "open", Path: Scheme + id, Err: plain("is not complete yet"), Hint: "wait until it is: aws ec2 wait snapshot-completed --region " + c.Region() + " --snapshot-ids " + id}
	default:
		return nil, &chunk.Error{Op: "open", Path: Scheme + id, Err: fmt.Errorf("its state is %s: %s", found.State, aws.ToString(found.StateMessage))}
	}
	s.size = int64(aws.ToInt32(found.VolumeSize)) * gib
	s.info = Info{Began: aws.ToTime(found.StartTime), Description: aws.ToString(found.Description), Encrypted: aws.ToBool(found.Encrypted), KMSKey: aws.ToString(found.KmsKeyId), Tags: map[string]string{}}
	for _, t := range found.Tags {
		s.info.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return s, s.list(ctx, 0)
}

// list asks for the tokens of all blocks from one on.
func (s *Snapshot) list(ctx context.Context, from int32) error {
	in := &ebs.ListSnapshotBlocksInput{SnapshotId: &s.id, MaxResults: aws.Int32(maxListed), StartingBlockIndex: &from}
	for {
		out, err := s.client.ebs.ListSnapshotBlocks(awsapi.WithSubject(ctx, s.id), in)
		if expired(err, types.ValidationExceptionReasonInvalidPageToken) {
			in.NextToken = nil // from where it was
			continue
		}
		if err != nil {
			return s.client.explain(ctx, "list", s.id, err)
		}
		if size := aws.ToInt32(out.BlockSize); size != BlockSize {
			return &chunk.Error{Op: "list", Path: Scheme + s.id, Err: fmt.Errorf("has blocks of %d bytes, and only those of %d are read", size, BlockSize)}
		}
		s.mu.Lock()
		for _, b := range out.Blocks {
			i := aws.ToInt32(b.BlockIndex)
			s.tokens[i] = aws.ToString(b.BlockToken)
			in.StartingBlockIndex = aws.Int32(i + 1)
		}
		s.mu.Unlock()
		if in.NextToken = out.NextToken; in.NextToken == nil {
			return nil
		}
	}
}

// expired returns true if a token is not taken any more.
func expired(err error, reason types.ValidationExceptionReason) bool {
	invalid, ok := errors.AsType[*types.ValidationException](err)
	return ok && invalid.Reason == reason
}

// ID returns the id.
func (s *Snapshot) ID() string { return s.id }

// Size returns the length of a volume made of it, in bytes.
func (s *Snapshot) Size() int64 { return s.size }

// Info returns what EC2 says of it.
func (s *Snapshot) Info() Info { return s.info }

// Forget lets go of the blocks that are kept in memory.
func (s *Snapshot) Forget() { s.cache.Drop() }

// Close does the same.
func (s *Snapshot) Close() error {
	s.Forget()
	return nil
}

// Blocks returns the numbers of the blocks that are in the snapshot, ascending.
func (s *Snapshot) Blocks() (list []int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.tokens {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}

// token returns that of a block, and whether the block is there.
func (s *Snapshot) token(index int32) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[index]
	return t, ok
}

// ReadAt implements io.ReaderAt. It never gives bytes of a block whose SHA-256 is not
// that which EBS says.
func (s *Snapshot) ReadAt(p []byte, off int64) (n int, err error) { return s.readFrom(s.ctx, p, off) }

// readFrom does what ReadAt does, until ctx is done.
func (s *Snapshot) readFrom(ctx context.Context, p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, &chunk.Error{Op: "read", Path: Scheme + s.id, Err: plain("negative offset")}
	}
	for n < len(p) {
		at := off + int64(n)
		if at >= s.size {
			return n, io.EOF
		}
		within := at % BlockSize
		want := p[n:min(int64(len(p)), int64(n)+BlockSize-within)]
		if err := s.read(ctx, int32(at/BlockSize), want, within); err != nil {
			return n, err
		}
		n += len(want)
	}
	return n, nil
}

// read fills p from within a block.
func (s *Snapshot) read(ctx context.Context, index int32, p []byte, within int64) error {
	if _, ok := s.token(index); !ok {
		clear(p)
		return nil
	}
	block, err := s.cache.Get(index, func() (work.Pages, error) {
		b := make([]byte, BlockSize)
		if err := s.fetch(ctx, index, b); err != nil {
			return work.Pages{}, err
		}
		return work.Compact(b), nil
	})
	if err != nil {
		return err
	}
	block.Copy(p, within)
	return nil
}

// Parts returns how many parts cover the volume; the last one may reach beyond.
func (s *Snapshot) Parts() int { return int((s.size + chunk.Size - 1) / chunk.Size) }

// ReadPart fills buf, chunk.Size bytes long, with part i; with zeros beyond the end.
func (s *Snapshot) ReadPart(ctx context.Context, i int, buf []byte) error {
	clear(buf[:chunk.Size])
	var there []int32
	for k := range int32(perPart) {
		if _, ok := s.token(int32(i)*perPart + k); ok {
			there = append(there, int32(i)*perPart+k)
		}
	}
	return work.Each(ctx, work.Crew{Workers: perPart, Grace: grace}, there, func(ctx context.Context, index int32) error {
		at := int64(index)*BlockSize - int64(i)*chunk.Size
		return s.fetch(ctx, index, buf[at:at+BlockSize])
	})
}

// Empty says whether no block of part i is in the snapshot.
func (s *Snapshot) Empty(i int) bool {
	for k := range int32(perPart) {
		if _, ok := s.token(int32(i)*perPart + k); ok {
			return false
		}
	}
	return true
}

// Check fetches every block and compares its SHA-256. It returns what is wrong with each
// that is not good, in order; err is that of ctx. done is called after each block, never
// twice at once.
func (s *Snapshot) Check(ctx context.Context, done func(block int)) (wrong []error, err error) {
	blocks := s.Blocks()
	bad := make([]error, len(blocks))
	numbers := make([]int, len(blocks))
	for i := range numbers {
		numbers[i] = i
	}
	var bufs sync.Pool
	bufs.New = func() any { return new([BlockSize]byte) }
	t := work.Teller{Fn: done}
	err = work.Each(ctx, work.Crew{Workers: checkers, Grace: grace}, numbers, func(ctx context.Context, i int) error {
		buf := bufs.Get().(*[BlockSize]byte)
		defer bufs.Put(buf)
		why := s.fetch(ctx, blocks[i], buf[:])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		bad[i] = why
		t.Tell(ctx, int(blocks[i]))
		return nil
	})
	return slices.DeleteFunc(bad, func(err error) bool { return err == nil }), err
}

// checkers is how many blocks are checked at once.
const checkers = 32
