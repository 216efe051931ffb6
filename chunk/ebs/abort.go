package ebs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// cleanTime is how long cleaning up after a run may take.
const cleanTime = 10 * time.Second

// Abort deletes the snapshot if it is not sealed, and no journal has it. After Commit has succeeded or Abort it
// does nothing. The error says what is left.
func (w *Writer) Abort() error {
	w.mu.Lock()
	done, asked := w.closed || w.sealed || w.noted, w.asked
	w.closed = true
	w.mu.Unlock()
	if done || !asked {
		return nil
	}
	defer w.bufs.Drop()
	ctx, cancel := context.WithTimeout(context.Background(), cleanTime)
	defer cancel()
	w.start.Lock() // a start that is on its way is over
	defer w.start.Unlock()
	if w.id == "" { // it may have been started all the same: the same token says which it is
		out, err := w.request(ctx)
		if err != nil {
			return nil // nor was it before, or nobody can tell: the next run names it by its tags
		}
		w.id = aws.ToString(out.SnapshotId)
	}
	if err := w.client.Remove(ctx, w.id); err != nil {
		if e, ok := errors.AsType[*chunk.Error](err); ok {
			err = e.Err
		}
		return &chunk.Error{Op: "delete", Path: Scheme + w.id, Err: err, Hint: w.client.Delete(w.id)}
	}
	return nil
}

// Remove deletes a snapshot. One that is not there is no error.
func (c *Client) Remove(ctx context.Context, id string) error {
	_, err := c.ec2.DeleteSnapshot(awsapi.WithSubject(ctx, id), &ec2.DeleteSnapshotInput{SnapshotId: &id})
	if err == nil || awsapi.HasCode(err, "InvalidSnapshot.NotFound") {
		return nil
	}
	return c.explain(ctx, "delete", id, err)
}

// Leftover is a snapshot that nobody has completed.
type Leftover struct {
	ID    string
	Began time.Time
}

// Leftovers lists the pending snapshots of the account that have a tag with this value:
// what killed runs have left, or what others are making.
func (c *Client) Leftovers(ctx context.Context, key, value string) (list []Leftover, err error) {
	in := &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: []types.Filter{
		{Name: aws.String("tag:" + key), Values: []string{value}}, {Name: aws.String("status"), Values: []string{"pending"}}}}
	for pages := ec2.NewDescribeSnapshotsPaginator(c.ec2, in); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, c.explain(ctx, "list", "", fmt.Errorf("snapshots: %w", err))
		}
		for _, s := range out.Snapshots {
			list = append(list, Leftover{aws.ToString(s.SnapshotId), aws.ToTime(s.StartTime)})
		}
	}
	return list, nil
}
