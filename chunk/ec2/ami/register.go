package ami

import (
	"context"
	"sync/atomic"

	"purebundle/chunk/awsapi"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Codes of errors that mean something here (API reference, "Error codes").
const (
	codeDryRun    = "DryRunOperation" // it would have been done
	codeDuplicate = "InvalidAMIName.Duplicate"
	codeNotFound  = "InvalidAMIID.NotFound"    // also of an id that is seconds old
	codeGone      = "InvalidAMIID.Unavailable" // of one that was deregistered

	codeNoSnapshot = "InvalidSnapshot.NotFound"
	codeInUse      = "InvalidSnapshot.InUse" // an image has it
)

// Register registers a bundle and returns the id of the image, which is not
// ready yet: see Wait. A dry run that EC2 would have allowed returns "".
//
// Registering is not idempotent. Where an answer was lost and the request was
// tried again, the name is taken by the first: then that is the image.
func Register(ctx context.Context, cfg aws.Config, in Input) (id string, err error) {
	if err := Check(in); err != nil {
		return "", err
	}
	client := ec2.NewFromConfig(cfg)
	var tries atomic.Int64
	out, err := client.RegisterImage(ctx, in.request(), ec2.WithAPIOptions(awsapi.CountTries(&tries)))
	switch {
	case err == nil:
		return aws.ToString(out.ImageId), nil
	case in.DryRun && awsapi.HasCode(err, codeDryRun):
		return "", nil
	case awsapi.HasCode(err, codeDuplicate) && tries.Load() > 1:
		if id := registered(ctx, client, in); id != "" {
			return id, nil
		}
	}
	return "", explain("register", in.Name, err)
}

// registered returns the id of one's own image of that name and location, or "".
func registered(ctx context.Context, client *ec2.Client, in Input) string {
	out, err := client.DescribeImages(ctx, &ec2.DescribeImagesInput{
		Owners:  []string{"self"},
		Filters: []types.Filter{{Name: aws.String("name"), Values: []string{in.Name}}},
	})
	if err != nil {
		return ""
	}
	for _, image := range out.Images {
		same := in.Root == nil && aws.ToString(image.ImageLocation) == in.Location || in.Root != nil && in.Root.is(image)
		if aws.ToString(image.Name) == in.Name && same {
			return aws.ToString(image.ImageId)
		}
	}
	return ""
}
