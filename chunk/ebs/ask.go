package ebs

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk/awsapi"
)

// nobodys is the id of a snapshot that is nobody's.
const nobodys = "snap-00000000000000000"

// Ask returns nil if both services that snapshots take answer: EC2, which must let these
// credentials describe snapshots, and the EBS direct API. mayRead says whether that lets
// them list the blocks of one. Nothing is changed.
func (c *Client) Ask(ctx context.Context) (mayRead bool, err error) {
	_, err = c.ec2.DescribeSnapshots(ctx, &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"},
		Filters: []ec2types.Filter{{Name: aws.String("status"), Values: []string{"pending"}}}, MaxResults: aws.Int32(5)})
	if err != nil {
		return false, c.explain(ctx, "list", "", fmt.Errorf("snapshots: %w", err))
	}
	_, err = c.ebs.ListSnapshotBlocks(awsapi.WithSubject(ctx, nobodys), &ebs.ListSnapshotBlocksInput{SnapshotId: aws.String(nobodys)})
	if _, none := errors.AsType[*types.ResourceNotFoundException](err); none || err == nil {
		return true, nil
	}
	if _, denied := errors.AsType[*types.AccessDeniedException](err); denied {
		return false, nil
	}
	return false, c.explain(ctx, "list", nobodys, err)
}
