package ami

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// WaitOptions of Wait; the zero value is what most want.
type WaitOptions struct {
	First   time.Duration      // from the first look to the second; 0: 5 s
	Longest time.Duration      // between two looks: the pause grows by half each time; 0: 60 s
	Notify  func(state string) // if not nil, told of the state at each look: "pending", "available", …
}

// young is for how many looks an image may be unknown: what was registered a
// moment ago is not known everywhere at once.
const young = 8

// Wait returns when the image can be used, or will never be: that is an error.
func Wait(ctx context.Context, cfg aws.Config, id string, opt WaitOptions) error {
	pause, longest := opt.First, opt.Longest
	if pause <= 0 {
		pause = 5 * time.Second
	}
	if longest <= 0 {
		longest = 60 * time.Second
	}
	client := ec2.NewFromConfig(cfg)
	for looks := 1; ; looks++ {
		out, err := client.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: []string{id}})
		unknown := awsapi.HasCode(err, codeNotFound) || err == nil && len(out.Images) == 0
		switch {
		case unknown && looks >= young:
			return &chunk.Error{Op: "wait for", Path: id, Err: fmt.Errorf("there is no such image"), Hint: "look in the region it was registered in"}
		case err != nil && !unknown:
			return explain("wait for", id, err)
		}
		state := types.ImageStatePending
		if !unknown {
			state = out.Images[0].State
		}
		if opt.Notify != nil {
			opt.Notify(string(state))
		}
		switch state {
		case types.ImageStateAvailable:
			return nil
		case types.ImageStatePending, types.ImageStateTransient:
		default:
			return broken(id, out.Images[0])
		}
		select {
		case <-ctx.Done():
			return &chunk.Error{Op: "wait for", Path: id, Err: context.Cause(ctx),
				Hint: "the image is registered; aws ec2 describe-images --image-ids " + id + " says when it is available"}
		case <-time.After(pause):
		}
		pause = min(pause*3/2, longest)
	}
}

// broken returns the error of an image that will not become available.
func broken(id string, image types.Image) error {
	err := fmt.Errorf("its state is %s", image.State)
	if r := image.StateReason; r != nil {
		err = fmt.Errorf("its state is %s: %s (%s)", image.State, aws.ToString(r.Message), aws.ToString(r.Code))
	}
	return &chunk.Error{Op: "wait for", Path: id, Err: err,
		Hint: "check that the bundle is whole in S3 and made for this account and region, then register it again; " +
			"aws ec2 deregister-image --image-id " + id + " removes this one"}
}
