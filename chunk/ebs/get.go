package ebs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// damagedError says that a block is not what its digest says.
type damagedError struct{ have, want []byte }

func (e *damagedError) Error() string {
	return fmt.Sprintf("SHA-256 is %x instead of %x", e.have, e.want)
}

// maxRelists is how often the token of a block may have expired.
const maxRelists = 3

// fetch fills p with a block that is there, and checks it. It is fetched again if it
// arrives cut short or changed.
func (s *Snapshot) fetch(ctx context.Context, index int32, p []byte) error {
	c := s.client
	name := fmt.Sprintf("%s block %d", s.id, index)
	var err error
	for range maxRelists {
		err = c.retry.Do(ctx, "GetSnapshotBlock", name, func(ctx context.Context) error { return s.try(ctx, index, p) })
		if !expired(err, types.ValidationExceptionReasonInvalidBlockToken) {
			break
		}
		if err := s.list(ctx, index); err != nil {
			return err
		}
	}
	if damaged, ok := errors.AsType[*damagedError](err); ok && ctx.Err() == nil {
		return &chunk.Error{Op: "read", Path: Scheme + name, Err: chunk.Damage(damaged), Hint: "EBS gave it so each time: a snapshot made anew may be whole"}
	}
	return c.explain(ctx, "read", name, err)
}

// try fetches a block once.
func (s *Snapshot) try(ctx context.Context, index int32, p []byte) error {
	c := s.client
	token, _ := s.token(index)
	out, err := c.ebs.GetSnapshotBlock(ctx, &ebs.GetSnapshotBlockInput{SnapshotId: &s.id, BlockIndex: &index, BlockToken: &token},
		func(o *ebs.Options) { o.Retryer = aws.NopRetryer{} }, c.paced)
	if err != nil {
		return err
	}
	defer out.BlockData.Close()
	if n := aws.ToInt32(out.DataLength); n != BlockSize {
		return awsapi.Broken(fmt.Errorf("%d bytes instead of %d", n, BlockSize))
	}
	if _, err := io.ReadFull(c.limit.Reader(ctx, out.BlockData), p[:BlockSize]); err != nil {
		return awsapi.Broken(err)
	}
	want, err := base64.StdEncoding.DecodeString(aws.ToString(out.Checksum))
	if err != nil || len(want) != sha256.Size || out.ChecksumAlgorithm != types.ChecksumAlgorithmChecksumAlgorithmSha256 {
		return awsapi.Broken(fmt.Errorf("EBS has no SHA-256 of it but %s %q", out.ChecksumAlgorithm, aws.ToString(out.Checksum)))
	}
	if have := sha256.Sum256(p[:BlockSize]); !slices.Equal(have[:], want) {
		return awsapi.Broken(&damagedError{have[:], want})
	} else if s.tail != nil {
		if said, ok := s.tail.digest(index); ok && said != have {
			return &damagedError{have[:], said[:]} // EBS has it so
		}
	}
	return nil
}

// maxCached is how many blocks are kept in memory.
const maxCached = 32

// cache keeps the blocks that were used last.
type cache struct {
	mu     sync.Mutex
	recent []*cached // the last used at the end
}

// cached is a block that is there or on its way.
type cached struct {
	index int32
	once  sync.Once
	data  []byte
	err   error
}

// get returns a block, fetched with fetch if need be; once, however many ask. An error
// is not kept.
func (c *cache) get(index int32, fetch func() ([]byte, error)) ([]byte, error) {
	b := c.slot(index)
	b.once.Do(func() { b.data, b.err = fetch() })
	if b.err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.recent = slices.DeleteFunc(c.recent, func(other *cached) bool { return other == b })
	}
	return b.data, b.err
}

func (c *cache) slot(index int32) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := slices.IndexFunc(c.recent, func(b *cached) bool { return b.index == index }); at >= 0 {
		b := c.recent[at]
		c.recent = append(slices.Delete(c.recent, at, at+1), b)
		return b
	}
	b := &cached{index: index}
	if len(c.recent) == maxCached {
		c.recent = slices.Delete(c.recent, 0, 1)
	}
	c.recent = append(c.recent, b)
	return b
}

func (c *cache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent = nil
}
