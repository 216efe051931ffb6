package ami

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk/awsapi"
)

// Image is an image of the account's own.
type Image struct {
	ID, Name  string
	State     string // "available", "pending", …
	Created   time.Time
	Tags      map[string]string
	Snapshots []string // of its devices
	Protected bool     // against being deregistered
}

// wildcards are what means something in the value of a filter.
var wildcards = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

// Own lists the images of the account and region that have all of these tags, the newest
// first.
func Own(ctx context.Context, cfg aws.Config, tags map[string]string) (list []Image, err error) {
	in := &ec2.DescribeImagesInput{Owners: []string{"self"}, IncludeDisabled: aws.Bool(true), IncludeDeprecated: aws.Bool(true)}
	for key, value := range tags {
		in.Filters = append(in.Filters, types.Filter{Name: aws.String("tag:" + key), Values: []string{wildcards.Replace(value)}})
	}
	for pages := ec2.NewDescribeImagesPaginator(ec2.NewFromConfig(cfg), in); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain("list", "images", err)
		}
		for _, i := range out.Images {
			list = append(list, imageOf(i))
		}
	}
	slices.SortStableFunc(list, func(x, y Image) int {
		if by := y.Created.Compare(x.Created); by != 0 {
			return by
		}
		return strings.Compare(y.ID, x.ID)
	})
	return list, nil
}

// imageOf returns what is asked of an image that EC2 describes.
func imageOf(i types.Image) Image {
	one := Image{ID: aws.ToString(i.ImageId), Name: aws.ToString(i.Name), State: string(i.State), Tags: map[string]string{}}
	one.Created, _ = time.Parse(time.RFC3339, aws.ToString(i.CreationDate)) // one without a date counts as the oldest
	one.Protected = strings.HasPrefix(aws.ToString(i.DeregistrationProtection), "enabled")
	for _, t := range i.Tags {
		one.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	for _, m := range i.BlockDeviceMappings {
		if m.Ebs != nil && m.Ebs.SnapshotId != nil {
			one.Snapshots = append(one.Snapshots, *m.Ebs.SnapshotId)
		}
	}
	return one
}

// Using lists the ids of the account's images that have a snapshot.
func Using(ctx context.Context, cfg aws.Config, snapshot string) (ids []string, err error) {
	in := &ec2.DescribeImagesInput{Owners: []string{"self"}, IncludeDisabled: aws.Bool(true), IncludeDeprecated: aws.Bool(true),
		Filters: []types.Filter{{Name: aws.String("block-device-mapping.snapshot-id"), Values: []string{snapshot}}}}
	for pages := ec2.NewDescribeImagesPaginator(ec2.NewFromConfig(cfg), in); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain("list", "images of "+snapshot, err)
		}
		for _, i := range out.Images {
			ids = append(ids, aws.ToString(i.ImageId))
		}
	}
	return ids, nil
}

// Launched lists the ids of the images that a launch template starts machines from, in any
// of its versions. name is its name or its id, "lt-…".
func Launched(ctx context.Context, cfg aws.Config, name string) (ids []string, err error) {
	in := &ec2.DescribeLaunchTemplateVersionsInput{ResolveAlias: aws.Bool(true)} // an image may be given by a parameter's name
	if strings.HasPrefix(name, "lt-") {
		in.LaunchTemplateId = &name
	} else {
		in.LaunchTemplateName = &name
	}
	for pages := ec2.NewDescribeLaunchTemplateVersionsPaginator(ec2.NewFromConfig(cfg), in); pages.HasMorePages(); {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain("look at launch template", name, err)
		}
		for _, v := range out.LaunchTemplateVersions {
			if v.LaunchTemplateData != nil && v.LaunchTemplateData.ImageId != nil {
				ids = append(ids, *v.LaunchTemplateData.ImageId)
			}
		}
	}
	return ids, nil
}

// Deregister deregisters an image; one that is gone is no error. Its snapshots stay.
func Deregister(ctx context.Context, cfg aws.Config, id string) error {
	_, err := ec2.NewFromConfig(cfg).DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: &id})
	if awsapi.HasCode(err, codeNotFound) || awsapi.HasCode(err, codeGone) {
		return nil
	}
	return explain("deregister", id, err)
}

// MayDeregister asks whether Deregister would be allowed.
func MayDeregister(ctx context.Context, cfg aws.Config, id string) error {
	_, err := ec2.NewFromConfig(cfg).DeregisterImage(ctx, &ec2.DeregisterImageInput{ImageId: &id, DryRun: aws.Bool(true)})
	return explain("deregister", id, asked(err))
}

// DeleteSnapshot deletes a snapshot that an image had; one that is gone is no error. What
// EC2 still takes for one of an image is tried again for a while.
func DeleteSnapshot(ctx context.Context, cfg aws.Config, id string, pause time.Duration) error {
	client := ec2.NewFromConfig(cfg)
	for tries := 1; ; tries++ {
		_, err := client.DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &id})
		switch {
		case err == nil, awsapi.HasCode(err, codeNoSnapshot):
			return nil
		case !awsapi.HasCode(err, codeInUse) || tries == maxInUse:
			return explain("delete", id, err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}

// maxInUse is how often a snapshot may be found in use by an image that is deregistered.
const maxInUse = 5

// MayDeleteSnapshot asks whether DeleteSnapshot would be allowed, once no image has the
// snapshot.
func MayDeleteSnapshot(ctx context.Context, cfg aws.Config, id string) error {
	_, err := ec2.NewFromConfig(cfg).DeleteSnapshot(ctx, &ec2.DeleteSnapshotInput{SnapshotId: &id, DryRun: aws.Bool(true)})
	if awsapi.HasCode(err, codeInUse) {
		return nil
	}
	return explain("delete", id, asked(err))
}

// asked returns what a dry run says against it.
func asked(err error) error {
	switch {
	case awsapi.HasCode(err, codeDryRun):
		return nil
	case err == nil:
		return errors.New("EC2 did not heed that it is a dry run")
	}
	return err
}

// SnapshotTags returns the tags of each of the account's snapshots in ids that is there.
func SnapshotTags(ctx context.Context, cfg aws.Config, ids []string) (map[string]map[string]string, error) {
	tags := map[string]map[string]string{}
	client := ec2.NewFromConfig(cfg)
	for some := range slices.Chunk(ids, maxFilter) {
		in := &ec2.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: []types.Filter{{Name: aws.String("snapshot-id"), Values: some}}}
		for pages := ec2.NewDescribeSnapshotsPaginator(client, in); pages.HasMorePages(); {
			out, err := pages.NextPage(ctx)
			if err != nil {
				return nil, explain("list", "snapshots", err)
			}
			for _, s := range out.Snapshots {
				one := map[string]string{}
				for _, t := range s.Tags {
					one[aws.ToString(t.Key)] = aws.ToString(t.Value)
				}
				tags[aws.ToString(s.SnapshotId)] = one
			}
		}
	}
	return tags, nil
}

// maxFilter is how many values EC2 takes for a filter.
const maxFilter = 200
