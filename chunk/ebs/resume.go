package ebs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ebs"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk/awsapi"
	"purebundle/chunk/work"
)

// idleKept is that of idle for a snapshot with a journal: a day to go on with it.
const idleKept = 24 * 60

// goOn takes up the snapshot of the journal, if there is one that can be gone on with. One
// that cannot be is deleted, unless it is complete or about to be.
func (w *Writer) goOn(ctx context.Context) (bool, error) {
	j := w.making.Journal
	if j.ID() == "" {
		return false, nil
	}
	out, err := w.client.ec2.DescribeSnapshots(awsapi.WithSubject(ctx, j.id), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{j.id}})
	gone := awsapi.HasCode(err, "InvalidSnapshot.NotFound") || err == nil && len(out.Snapshots) == 0
	if err != nil && !gone {
		return false, w.client.explain(ctx, "open", j.id, err)
	}
	why, pending := j.lost, false
	switch {
	case gone:
		why = "it is gone"
	case out.Snapshots[0].State != ec2types.SnapshotStatePending:
		why = "its state is " + string(out.Snapshots[0].State)
	case j.sealed:
		why = "it is about to be complete"
	case why != "":
		pending = true
	case j.made != w.essentials():
		why, pending = "the new one has another size, encryption, description or parent", true
	}
	if why != "" {
		if w.making.Anew != nil {
			w.making.Anew(j.id, why)
		}
		if pending {
			return false, w.client.Remove(ctx, j.id)
		}
		return false, nil
	}
	if err := w.tag(ctx, j.id); err != nil {
		return false, err
	}
	w.mu.Lock()
	w.sums, w.unsure, w.noted = maps.Clone(j.sums), maps.Clone(j.sent), true
	w.mu.Unlock()
	w.id, w.began = j.id, time.Now()
	if w.making.Started != nil {
		w.making.Started(j.id, aws.ToBool(out.Snapshots[0].Encrypted))
	}
	return true, nil
}

// tag gives a snapshot the tags that it is to have by now, such as its name.
func (w *Writer) tag(ctx context.Context, id string) error {
	if len(w.making.Tags) == 0 {
		return nil
	}
	in := &ec2.CreateTagsInput{Resources: []string{id}}
	for _, key := range slices.Sorted(maps.Keys(w.making.Tags)) {
		in.Tags = append(in.Tags, ec2types.Tag{Key: aws.String(key), Value: aws.String(w.making.Tags[key])})
	}
	_, err := w.client.ec2.CreateTags(awsapi.WithSubject(ctx, id), in)
	return w.client.explain(ctx, "tag", id, err)
}

// essentials returns a digest of what StartSnapshot is told and cannot be changed later.
func (w *Writer) essentials() string {
	in := w.input()
	text := fmt.Sprintf("%d %q %t %q %q", aws.ToInt64(in.VolumeSize), aws.ToString(in.Description), aws.ToBool(in.Encrypted), aws.ToString(in.KmsKeyArn), aws.ToString(in.ParentSnapshotId))
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// note notes in the journal that the snapshot was started.
func (w *Writer) note(out *ebs.StartSnapshotOutput) error {
	j := w.making.Journal
	if j == nil {
		return nil
	}
	if err := j.start(aws.ToString(out.SnapshotId), w.essentials()); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noted = true
	return nil
}

// strays returns the blocks behind the image, and before block end, that a run before this
// one has put, or may have.
func (w *Writer) strays(end int32) (list []int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range slices.Concat(slices.Collect(maps.Keys(w.sums)), slices.Collect(maps.Keys(w.unsure))) {
		if i >= int32(w.parts*perPart) && i < end {
			list = append(list, i)
		}
	}
	return list
}

// clearBehind puts zeros over what is behind the image, of a snapshot without a manifest.
func (w *Writer) clearBehind(ctx context.Context) error {
	return work.Each(ctx, work.Crew{Workers: readers, Grace: grace}, w.strays(int32(w.gib*gib/BlockSize)), func(ctx context.Context, i int32) error {
		_, err := w.block(ctx, i, w.zeros, true)
		return err
	})
}
