package ebs

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// Commit seals the snapshot and waits until it can be used: all parts from 0 to the
// last must be made. The manifest, if there is one, is kept in the last blocks, see
// Snapshot.Bundle; what of it follows from the parts is filled in.
//
// On an error nothing is left, as after Abort, unless the snapshot was sealed by then:
// the error says so.
func (w *Writer) Commit(ctx context.Context, m *chunk.Manifest) error {
	defer w.bufs.Drop()
	w.mu.Lock()
	made, parts, closed := len(w.made), w.parts, w.closed
	w.mu.Unlock()
	switch {
	case closed:
		return &chunk.Error{Op: "complete", Path: Scheme + w.id, Err: plain("the snapshot was given up")}
	case made != parts || made == 0:
		return &chunk.Error{Op: "complete", Path: Scheme + w.id, Err: fmt.Errorf("%d parts made of %d", made, parts)}
	}
	var err error
	if m != nil {
		err = w.putTail(ctx, m)
	} else {
		err = w.clearBehind(ctx)
	}
	if err != nil {
		return err
	}
	if err := w.seal(ctx); err != nil {
		return err
	}
	if err := w.client.Wait(ctx, w.id); err != nil {
		hint := w.client.Delete(w.id) + " deletes it"
		if e, ok := errors.AsType[*chunk.Error](err); ok {
			if e.Hint != "" {
				hint = e.Hint + "; " + hint
			}
			return &chunk.Error{Op: e.Op, Path: e.Path, Err: e.Err, Hint: hint}
		}
		return &chunk.Error{Op: "wait for", Path: Scheme + w.id, Err: err, Hint: "all of it is there, and it will be complete by itself; " + hint}
	}
	return nil
}

// aggregate returns the digest of the digests of all blocks, in their order.
func (w *Writer) aggregate() (count int32, sum []byte) {
	h := sha256.New()
	for _, i := range slices.Sorted(maps.Keys(w.sums)) {
		one := w.sums[i]
		h.Write(one[:])
	}
	return int32(len(w.sums)), h.Sum(nil)
}

// seal completes the snapshot: EBS compares what it has with what was sent.
func (w *Writer) seal(ctx context.Context) error {
	w.mu.Lock()
	count, sum := w.aggregate()
	w.mu.Unlock()
	in := &ebs.CompleteSnapshotInput{SnapshotId: &w.id, ChangedBlocksCount: &count, Checksum: aws.String(base64.StdEncoding.EncodeToString(sum)),
		ChecksumAlgorithm:         types.ChecksumAlgorithmChecksumAlgorithmSha256,
		ChecksumAggregationMethod: types.ChecksumAggregationMethodChecksumAggregationLinear}
	if j := w.making.Journal; j != nil {
		if err := j.seal(w.id); err != nil {
			return err
		}
	}
	var tries atomic.Int64
	for {
		_, err := w.client.ebs.CompleteSnapshot(awsapi.WithSubject(ctx, w.id), in, ebs.WithAPIOptions(awsapi.CountTries(&tries)))
		switch {
		case err == nil, tries.Load() > 1 && notPending(err): // an answer was lost
			w.mu.Lock()
			w.sealed = true
			w.mu.Unlock()
			if j := w.making.Journal; j != nil {
				j.done()
			}
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case !w.young(err):
			if _, denied := errors.AsType[*types.AccessDeniedException](err); w.making.Journal != nil && (denied || isInvalid(err)) {
				_ = w.making.Journal.open(w.id) // else the next run makes a new one
			}
			return w.client.explain(ctx, "complete", w.id, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(youngPause):
		}
	}
}

// notPending returns true if EBS says that a snapshot is complete already, or given up.
func notPending(err error) bool {
	return expired(err, types.ValidationExceptionReasonInvalidSnapshotId)
}

// maxUnknown is how many looks may not find a snapshot that is there.
const maxUnknown = 30

// Wait returns when a snapshot is complete, or never will be: that is an error.
func (c *Client) Wait(ctx context.Context, id string) error {
	for looks := 1; ; looks++ {
		out, err := c.ec2.DescribeSnapshots(awsapi.WithSubject(ctx, id), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{id}})
		unknown := awsapi.HasCode(err, "InvalidSnapshot.NotFound") || err == nil && len(out.Snapshots) == 0
		switch {
		case err != nil && (!unknown || looks >= maxUnknown):
			return c.explain(ctx, "wait for", id, err)
		case unknown:
		case out.Snapshots[0].State == ec2types.SnapshotStateCompleted:
			return nil
		case out.Snapshots[0].State == ec2types.SnapshotStateError:
			said := aws.ToString(out.Snapshots[0].StateMessage)
			if said == "" {
				said = "AWS does not say why"
			}
			return &chunk.Error{Op: "complete", Path: Scheme + id, Err: fmt.Errorf("its state is error: %s", said), Hint: failedHint(said)}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(c.opt.Poll):
		}
	}
}
