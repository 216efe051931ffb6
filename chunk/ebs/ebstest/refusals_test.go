package ebstest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"purebundle/chunk/ebs/ebstest"
)

// client is the SDK's, which tries nothing twice.
type client struct {
	*ebs.Client
	ec2 *ec2.Client
	ctx context.Context
}

func connect(t *testing.T, s *ebstest.Server) *client {
	t.Helper()
	s.Setenv(t)
	cfg, err := awsconfig.LoadDefaultConfig(t.Context(), awsconfig.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }))
	if err != nil {
		t.Fatal(err)
	}
	return &client{ebs.NewFromConfig(cfg), ec2.NewFromConfig(cfg), t.Context()}
}

// block returns block i of every snapshot here.
func block(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, ebstest.BlockSize) }

func encoded(sum [sha256.Size]byte) *string {
	return aws.String(base64.StdEncoding.EncodeToString(sum[:]))
}

// start starts a snapshot of one GiB.
func (c *client) start(change func(*ebs.StartSnapshotInput)) (string, error) {
	in := &ebs.StartSnapshotInput{VolumeSize: aws.Int64(1)}
	if change != nil {
		change(in)
	}
	out, err := c.StartSnapshot(c.ctx, in)
	if err != nil {
		return "", err
	}
	return *out.SnapshotId, nil
}

// put puts a block.
func (c *client) put(id string, i int, change func(*ebs.PutSnapshotBlockInput)) error {
	p := block(i)
	in := &ebs.PutSnapshotBlockInput{SnapshotId: &id, BlockIndex: aws.Int32(int32(i)), BlockData: bytes.NewReader(p), DataLength: aws.Int32(ebstest.BlockSize),
		Checksum: encoded(sha256.Sum256(p)), ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256}
	if change != nil {
		change(in)
	}
	_, err := c.PutSnapshotBlock(c.ctx, in)
	return err
}

// complete completes a snapshot of so many blocks from 0 on.
func (c *client) complete(id string, blocks int, change func(*ebs.CompleteSnapshotInput)) error {
	h := sha256.New()
	for i := range blocks {
		sum := sha256.Sum256(block(i))
		h.Write(sum[:])
	}
	in := &ebs.CompleteSnapshotInput{SnapshotId: &id, ChangedBlocksCount: aws.Int32(int32(blocks)), Checksum: encoded([sha256.Size]byte(h.Sum(nil))),
		ChecksumAlgorithm: types.ChecksumAlgorithmChecksumAlgorithmSha256, ChecksumAggregationMethod: types.ChecksumAggregationMethodChecksumAggregationLinear}
	if change != nil {
		change(in)
	}
	_, err := c.CompleteSnapshot(c.ctx, in)
	return err
}

// state asks EC2 for the state of a snapshot.
func (c *client) state(t *testing.T, id string) string {
	t.Helper()
	out, err := c.ec2.DescribeSnapshots(c.ctx, &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out.Snapshots[0].State)
}

// made returns a snapshot of two blocks that is complete.
func (c *client) made(t *testing.T) string {
	t.Helper()
	id, err := c.start(nil)
	for i := 0; i < 2 && err == nil; i++ {
		err = c.put(id, i, nil)
	}
	if err == nil {
		err = c.complete(id, 2, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	if state := c.state(t, id); state != "completed" {
		t.Fatalf("its state is %s", state)
	}
	return id
}

// refused says whether err has that code and reason, "CODE REASON" or "CODE".
func refused(t *testing.T, what string, err error, want string) {
	t.Helper()
	have := "no error"
	if err != nil {
		have = err.Error()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		have = api.ErrorCode()
	}
	if v, ok := errors.AsType[*types.ValidationException](err); ok {
		have += " " + string(v.Reason)
	}
	if have != want {
		t.Errorf("%s: %s instead of %s: %v", what, have, want, err)
	}
}

// What EBS refuses the server refuses, with EBS's code.
func TestRefusals(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s)
	const wrong = "ValidationException INVALID_PARAMETER_VALUE"
	id, err := c.start(func(in *ebs.StartSnapshotInput) { in.ClientToken = aws.String("one") })
	if err != nil {
		t.Fatal(err)
	}
	again, err := c.start(func(in *ebs.StartSnapshotInput) { in.ClientToken = aws.String("one") })
	if err != nil || again != id {
		t.Errorf("the same token: %s, %v", again, err)
	}
	other := sha256.Sum256(nil)
	for _, r := range []struct {
		what, want string
		do         func() error
	}{
		{"the token with another size", "ConflictException", func() error {
			_, err := c.start(func(in *ebs.StartSnapshotInput) { in.ClientToken, in.VolumeSize = aws.String("one"), aws.Int64(2) })
			return err
		}},
		{"no size", "ValidationException INVALID_VOLUME_SIZE", func() error {
			_, err := c.start(func(in *ebs.StartSnapshotInput) { in.VolumeSize = aws.Int64(0) })
			return err
		}},
		{"a short timeout", wrong, func() error {
			_, err := c.start(func(in *ebs.StartSnapshotInput) { in.Timeout = aws.Int32(9) })
			return err
		}},
		{"a tag of AWS", "ValidationException INVALID_TAG", func() error {
			_, err := c.start(func(in *ebs.StartSnapshotInput) {
				in.Tags = []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}}
			})
			return err
		}},
		{"another SHA-256", "ValidationException INVALID_BLOCK", func() error {
			return c.put(id, 0, func(in *ebs.PutSnapshotBlockInput) { in.Checksum = encoded(other) })
		}},
		{"a short block", "ValidationException INVALID_BLOCK", func() error {
			return c.put(id, 0, func(in *ebs.PutSnapshotBlockInput) { in.BlockData = bytes.NewReader(block(0)[1:]) })
		}},
		{"a block behind the end", wrong, func() error {
			return c.put(id, 0, func(in *ebs.PutSnapshotBlockInput) { in.BlockIndex = aws.Int32(2048) })
		}},
		{"no such snapshot", "ResourceNotFoundException", func() error { return c.put("snap-01234567", 0, nil) }},
		{"two blocks, none was put", wrong, func() error { return c.complete(id, 2, nil) }},
		{"the first block", "no error", func() error { return c.put(id, 0, nil) }},
		{"the second block", "no error", func() error { return c.put(id, 1, nil) }},
		{"the second block again", "no error", func() error { return c.put(id, 1, nil) }},
		{"one block too few", wrong, func() error { return c.complete(id, 1, nil) }},
		{"one block too many", wrong, func() error { return c.complete(id, 3, nil) }},
		{"another aggregate", wrong, func() error {
			return c.complete(id, 2, func(in *ebs.CompleteSnapshotInput) { in.Checksum = encoded(other) })
		}},
		{"to read what is pending", "ValidationException INVALID_SNAPSHOT_ID", func() error { _, _, err := c.tokens(id); return err }},
		{"a parent that is pending", "ValidationException INVALID_SNAPSHOT_ID", func() error {
			_, err := c.start(func(in *ebs.StartSnapshotInput) { in.ParentSnapshotId = &id })
			return err
		}},
	} {
		refused(t, r.what, r.do(), r.want)
	}
	if state := c.state(t, id); state != "pending" {
		t.Errorf("not sealed: its state is %s", state)
	}
	s.Looks = 1
	refused(t, "as it is", c.complete(id, 2, nil), "no error")
	for _, want := range []string{"pending", "completed"} {
		if state := c.state(t, id); state != want {
			t.Errorf("sealed: its state is %s instead of %s", state, want)
		}
	}
	refused(t, "to complete it twice", c.complete(id, 2, nil), "ValidationException INVALID_SNAPSHOT_ID")
	refused(t, "a block when it is complete", c.put(id, 0, nil), "ValidationException INVALID_SNAPSHOT_ID")
}

// tokens lists the blocks of a snapshot.
func (c *client) tokens(id string) (list []types.Block, next *string, err error) {
	out, err := c.ListSnapshotBlocks(c.ctx, &ebs.ListSnapshotBlocksInput{SnapshotId: &id})
	if err != nil {
		return nil, nil, err
	}
	return out.Blocks, out.NextToken, nil
}

// A snapshot is not known for a while, then idle for too long; an account has so many
// pending ones; and requests come too fast.
func TestTimes(t *testing.T) {
	s := ebstest.Start(t)
	s.Unknown, s.Pending = 2, 2
	c := connect(t, s)
	id, err := c.start(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ResourceNotFoundException", "ResourceNotFoundException", "no error"} {
		refused(t, "a new snapshot", c.put(id, 0, nil), want)
	}
	s.Fail("PutSnapshotBlock", ebstest.Fault{Status: 400, Code: "RequestThrottledException", Message: "slow down"})
	refused(t, "too fast", c.put(id, 0, nil), "RequestThrottledException")
	refused(t, "a second one", func() error { _, err := c.start(nil); return err }(), "no error")
	refused(t, "a third one", func() error { _, err := c.start(nil); return err }(), "ServiceQuotaExceededException")
	s.Idle = time.Nanosecond
	refused(t, "idle for too long", c.put(id, 1, nil), "ValidationException WRITE_REQUEST_TIMEOUT")
	if state := c.state(t, id); state != "error" {
		t.Errorf("idle for too long: its state is %s", state)
	}
}

// Tokens are of one snapshot and one block, and expire.
func TestTokens(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s)
	id, second := c.made(t), c.made(t)
	s.Page = 1
	list, next, err := c.tokens(id)
	if err != nil || len(list) != 1 || next == nil {
		t.Fatalf("%v, %v, %v", list, next, err)
	}
	get := func(id string, i int32, token *string) error {
		out, err := c.GetSnapshotBlock(c.ctx, &ebs.GetSnapshotBlockInput{SnapshotId: &id, BlockIndex: &i, BlockToken: token})
		if err != nil {
			return err
		}
		defer out.BlockData.Close()
		have, err := io.ReadAll(out.BlockData)
		if sum := sha256.Sum256(have); err != nil || !bytes.Equal(have, block(int(i))) || *out.Checksum != *encoded(sum) {
			return fmt.Errorf("another block: %v", err)
		}
		return nil
	}
	page := func(id string, token *string) error {
		_, err := c.ListSnapshotBlocks(c.ctx, &ebs.ListSnapshotBlocksInput{SnapshotId: &id, NextToken: token})
		return err
	}
	const badBlock, badPage = "ValidationException INVALID_BLOCK_TOKEN", "ValidationException INVALID_PAGE_TOKEN"
	refused(t, "the block", get(id, 0, list[0].BlockToken), "no error")
	refused(t, "another block", get(id, 1, list[0].BlockToken), badBlock)
	refused(t, "of another snapshot", get(second, 0, list[0].BlockToken), badBlock)
	refused(t, "the page", page(id, next), "no error")
	refused(t, "a page of another snapshot", page(second, next), badPage)
	refused(t, "a token of a block for a page", page(id, list[0].BlockToken), badPage)
	s.Life = time.Nanosecond
	if list, next, err = c.tokens(id); err != nil {
		t.Fatal(err)
	}
	refused(t, "a block, too late", get(id, 0, list[0].BlockToken), badBlock)
	refused(t, "a page, too late", page(id, next), badPage)
}

// A child is encrypted as its parent is, and no smaller.
func TestParents(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s)
	plain := c.made(t)
	s.Encrypt = true
	encrypted := c.made(t)
	for _, r := range []struct {
		what, parent string
		byDefault    bool
		change       func(*ebs.StartSnapshotInput)
		want         string
	}{
		{"plain", plain, false, nil, "no error"},
		{"plain, and all is to be encrypted", plain, true, nil, "ValidationException INVALID_PARAMETER_VALUE"},
		{"encrypted", encrypted, false, nil, "no error"},
		{"encrypted, as all is", encrypted, true, nil, "no error"},
		{"and encryption", encrypted, false, func(in *ebs.StartSnapshotInput) { in.Encrypted = aws.Bool(true) }, "ValidationException INVALID_PARAMETER_VALUE"},
		{"and a key", encrypted, false, func(in *ebs.StartSnapshotInput) { in.KmsKeyArn = aws.String("arn:aws:kms:eu-west-1:1:key/1") }, "ValidationException INVALID_PARAMETER_VALUE"},
		{"that is not there", "snap-01234567", false, nil, "ResourceNotFoundException"},
	} {
		s.Encrypt = r.byDefault
		id, err := c.start(func(in *ebs.StartSnapshotInput) {
			in.ParentSnapshotId = &r.parent
			if r.change != nil {
				r.change(in)
			}
		})
		refused(t, "a parent, "+r.what, err, r.want)
		if err != nil {
			continue
		}
		for _, sn := range s.Snapshots() {
			if sn.ID == id && (sn.Encrypted != (r.parent == encrypted) || sn.Blocks != 0 || sn.All != 2) {
				t.Errorf("a parent, %s: %+v", r.what, sn)
			}
		}
	}
	large, err := c.start(func(in *ebs.StartSnapshotInput) { in.VolumeSize = aws.Int64(2) })
	if err == nil {
		err = c.put(large, 0, nil)
	}
	if err == nil {
		err = c.complete(large, 1, nil)
	}
	if err != nil || c.state(t, large) != "completed" {
		t.Fatal(err)
	}
	_, err = c.start(func(in *ebs.StartSnapshotInput) { in.ParentSnapshotId = &large })
	refused(t, "smaller than its parent", err, "ValidationException INVALID_VOLUME_SIZE")
}
