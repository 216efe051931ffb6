package ship

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"purebundle/chunk/ec2/ami"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
)

// oldImage is an image that the template made on this machine before.
type oldImage struct {
	ami.Image
	own []string // those of its snapshots that were made for it
}

// line names an image and its snapshots, for people.
func (i *oldImage) line() string {
	text := i.ID + ", " + words.Printable(i.Name)
	if len(i.own) > 0 {
		text += ", with " + strings.Join(i.own, ", ")
	}
	return text
}

// lookInUse asks which images the launch templates of --in-use start.
func (d *diskRun) lookInUse(ctx context.Context) error {
	d.used = map[string]string{}
	for _, name := range d.c.inUse {
		ids, err := ami.Launched(ctx, d.ec2, name)
		if err != nil {
			return err
		}
		for _, id := range ids {
			d.used[id] = name
		}
	}
	return nil
}

// older lists the images that other runs of this machine made of the template and SOURCE,
// the newest first, without the one whose id is made. Those that may be in the making are
// left alone, and noted in sum, as are those that are broken.
func (d *diskRun) older(ctx context.Context, sum *Summary, made string) (list []*oldImage, err error) {
	want := map[string]string{cli.TagTemplate: d.tags[cli.TagTemplate]}
	found, err := ami.Own(ctx, d.ec2, want)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, i := range found {
		switch {
		case i.ID == made || !d.mine(i.Tags):
		case i.State != "available":
			sum.LeftAlone = append(sum.LeftAlone, i.ID+": its state is "+i.State)
		default:
			list = append(list, &oldImage{Image: i})
			ids = append(ids, i.Snapshots...)
		}
	}
	tags, err := ami.SnapshotTags(ctx, d.ec2, ids)
	if err != nil {
		return nil, err
	}
	for _, i := range list {
		for _, id := range i.Snapshots {
			if d.mine(tags[id]) {
				i.own = append(i.own, id)
			}
			if _, keep := tags[id][cli.TagKeep]; keep {
				i.Tags[cli.TagKeep] = ""
			}
		}
	}
	return list, nil
}

// mine says whether what has these tags was made by the template, on this machine, of
// SOURCE.
func (d *diskRun) mine(tags map[string]string) bool {
	for _, key := range []string{cli.TagTemplate, cli.TagHost, cli.TagSource} {
		if tags[key] == "" || tags[key] != d.tags[key] {
			return false
		}
	}
	machine := tags[cli.TagMachine]
	return machine == "" || d.tags[cli.TagMachine] == "" || machine == d.tags[cli.TagMachine]
}

// spared says why an image is not deleted though it is one too many, "" if it is.
func (d *diskRun) spared(i *oldImage) string {
	_, keep := i.Tags[cli.TagKeep]
	switch {
	case keep:
		return "has the tag " + cli.TagKeep
	case d.used[i.ID] != "":
		return "launch template " + d.used[i.ID] + " starts it"
	case i.Protected:
		return "is protected against being deregistered"
	}
	return ""
}

// choose returns the images that --keep is to delete, once there is a new one, whose id is
// made if there is. EC2 is asked whether each may be, and each of its snapshots. sum is told
// how many stay and go, and which are left alone.
func (d *diskRun) choose(ctx context.Context, sum *Summary, made string) (doomed []*oldImage, err error) {
	older, err := d.older(ctx, sum, made)
	if err != nil {
		return nil, err
	}
	sum.Kept = len(older) + 1
	for _, i := range older[min(d.c.keep-1, len(older)):] {
		if why := d.spared(i); why != "" {
			sum.LeftAlone = append(sum.LeftAlone, i.ID+": "+why)
			continue
		}
		if err := ami.MayDeregister(ctx, d.ec2, i.ID); err != nil {
			return nil, err
		}
		for _, id := range i.own {
			if err := ami.MayDeleteSnapshot(ctx, d.ec2, id); err != nil {
				return nil, err
			}
		}
		doomed = append(doomed, i)
	}
	return doomed, nil
}

// drop deletes older images of the template, and their snapshots, until --keep are left,
// and notes it in sum. The new image is available by then. If it lacks something, nothing
// is deleted: nobody knows what older ones lack.
func (d *diskRun) drop(ctx context.Context, sum *Summary) error {
	keep := d.c.keep
	if keep == 0 {
		return nil
	}
	if d.Lost() > 0 {
		d.App.ErrorLine(fmt.Sprintf("keep %d: no older image was deleted, since the new one lacks something", keep))
		return nil
	}
	wrong := func(err error) error {
		return &cli.LeftError{Err: err, Left: fmt.Sprintf("the new image is registered: %s; older ones may be more than --keep %d", sum.ImageID, keep)}
	}
	if err := d.lookInUse(ctx); err != nil { // hours may have passed
		return wrong(err)
	}
	doomed, err := d.choose(ctx, sum, sum.ImageID)
	if err != nil {
		return wrong(err)
	}
	for _, i := range doomed {
		if err := ami.Deregister(ctx, d.ec2, i.ID); err != nil {
			return wrong(err)
		}
		sum.Kept--
		sum.Deleted = append(sum.Deleted, i.ID)
		for _, id := range i.own {
			if err := d.dropSnapshot(ctx, sum, i.ID, id); err != nil {
				return cli.AddHint(wrong(err), "its image is gone; %s deletes it", d.client.Delete(id))
			}
		}
	}
	return nil
}

// dropSnapshot deletes the snapshot of an image that is deregistered, unless another image
// has it, too.
func (d *diskRun) dropSnapshot(ctx context.Context, sum *Summary, image, id string) error {
	users, err := ami.Using(ctx, d.ec2, id)
	if err != nil {
		return err
	}
	users = slices.DeleteFunc(users, func(user string) bool { return user == image }) // EC2 may not know yet
	if len(users) > 0 {
		sum.LeftAlone = append(sum.LeftAlone, id+": "+users[0]+" has it, too")
		return nil
	}
	if err := ami.DeleteSnapshot(ctx, d.ec2, id, inUsePause); err != nil {
		return err
	}
	sum.DeletedSnapshots = append(sum.DeletedSnapshots, id)
	return nil
}

// inUsePause is how long to wait if EC2 still takes the snapshot of an image that is gone
// for one in use.
const inUsePause = 2 * time.Second
