package ship

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"purebundle/chunk/ebs"
	"purebundle/chunk/ec2/ami"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker/bootcheck"
)

// checkDisk completes the configuration of an image whose disk is in EBS, and finds the
// mistakes that need no look at SOURCE, nor at AWS.
func (c *options) checkDisk(cmd *cobra.Command, args []string) (err error) {
	if len(args) == 2 && s3.IsURL(args[1]) {
		return cli.WithHint(cli.Usagef("ship --register %s: the disk of a machine image is in EBS, and needs no bucket", args[1]),
			"leave %s out; --instance-store makes the old kind of image, which is in S3", words.Quote(args[1]))
	}
	if len(args) == 2 && args[1] != ebs.Scheme {
		return cli.WithHint(cli.Usagef("ship --register %s: the disk of a machine image is in a new EBS snapshot", args[1]), "leave it out")
	}
	if err := cmp.Or(c.flags.S3.Check(cmd, ebs.Scheme), c.disk.check("ship"), create.DiskKind(c.kind).Check()); err != nil {
		return err
	}
	switch {
	case c.image.name == "":
		return cli.WithHint(cli.Usagef("--name is needed"), "an image has a name that is one of a kind in the account and region, such as --name '{hostname} {date}'")
	case len(c.image.name) > cli.MaxTag:
		return cli.Usagef("ship: --name: longer than %d characters", cli.MaxTag)
	}
	text := c.image.name
	if c.name, err = parseTemplate(text); err != nil {
		return err
	}
	if c.image.name, err = c.name.imageName(c.values); err != nil {
		return err
	}
	switch {
	case c.keep < 0:
		return cli.Usagef("ship: --keep %d: not a number of images", c.keep)
	case c.keep > 0 && !c.name.varies():
		return cli.WithHint(cli.Usagef("ship: --keep, but each run has the same --name"), "put {date}, {time} or {uuid} in it")
	case c.keep > 0 && c.image.noWait:
		return cli.WithHint(cli.Usagef("ship: --keep, and --no-wait"), "older images go once the new one is available: leave out one of the two")
	}
	c.template, c.flags.OwnBase = text, true
	if err := c.status.check(c.flags.DryRun); err != nil {
		return err
	}
	c.flags.EBS = c.disk.volume
	c.flags.EBS.Description = c.image.description
	tags := maps.Clone(c.flags.S3.Tags.Values)
	if tags == nil {
		tags = map[string]string{}
	}
	if tags["Name"] == "" {
		tags["Name"] = c.image.name
	}
	tags[cli.TagTemplate] = text
	c.flags.S3.Tags.Values = tags
	if c.bundle, err = c.flags.Options(args[0], ebs.Scheme); err != nil {
		return err
	}
	if c.noBase && (c.bundle.Base != "" || c.bundle.Reread) {
		return cli.WithHint(cli.Usagef("ship: --no-base, and --base or --reread"), "without a base, every file is read")
	}
	if c.bundle.Walk.Filter, err = c.flags.Filter.Choice(true); err != nil {
		return err
	}
	if _, err := c.disk.foreseen(&c.image, tags); err != nil {
		return err
	}
	if !c.noCheck {
		c.bundle.CheckFor = bootcheck.AWS
	}
	return nil
}

// diskRun is one run that ships a machine image whose disk is in EBS.
type diskRun struct {
	*create.Run
	c      *options
	client *ebs.Client
	ec2    aws.Config        // how EC2 is reached
	about  map[string]string // tags by which older images are known
	tags   map[string]string // of the image
	ask    ami.Input         // what EC2 will be asked for, as far as that is known
	used   map[string]string // the launch templates that start an image
}

// shipDisk makes the disk of SOURCE in EBS, an image of it, and drops what is older.
func (c *options) shipDisk(ctx context.Context, a *cli.App) error {
	d := &diskRun{Run: &create.Run{App: a}, c: c}
	if err := d.connect(ctx); err != nil {
		return err
	}
	baseless, err := d.findBase(ctx)
	if err != nil {
		return err
	}
	if c.bundle.Base != "" {
		if err := create.LikeBase(ctx, a, &c.bundle); err != nil {
			return err
		}
	}
	if err := create.OpenDisk(&c.bundle, create.DiskKind(c.kind)); err != nil {
		return err
	}
	defer c.bundle.Disk.Close()
	return create.Ready(ctx, a, c.bundle, onTerminal(a, c.flags.Progress), func(r *create.Run) error {
		r.Confine(c.status.power(r.Power(ctx)))
		if d.Run = r; baseless != "" {
			r.NoBase(baseless)
		}
		if err := d.prepare(ctx); err != nil {
			return err
		}
		if r.Opt.DryRun {
			return d.dryRun(ctx)
		}
		return d.ship(ctx)
	})
}

// connect finds out how AWS is reached, and by which tags older images are known.
func (d *diskRun) connect(ctx context.Context) (err error) {
	c, place := d.c, &d.c.bundle.S3
	if d.client, err = place.EBS(ctx, d.App); err != nil {
		return err
	}
	if d.ec2, err = c.image.connect(ctx, d.App, place); err != nil {
		return err
	}
	d.about = create.AboutMaker(create.MakerOf(c.bundle.Source))
	d.tags = c.bundle.EBS.Making(d.App, d.client, place.Tags.Values, d.about, nil).Tags
	return nil
}

// findBase makes the snapshot of the newest image of the template, on this machine and of
// SOURCE, the base, unless one was named or none is wanted. It says why there is none.
func (d *diskRun) findBase(ctx context.Context) (why string, err error) {
	switch b := &d.c.bundle; {
	case d.c.noBase || b.Base != "":
		return "", nil
	case b.Image.Latest != nil:
		return "an image of which tree, UUID and time make all bytes has none", nil
	}
	older, err := d.older(ctx, new(Summary), "")
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case err != nil && d.c.keep > 0: // which needs them, too
		return "", err
	case err != nil:
		return "older images cannot be looked for: " + err.Error(), nil
	}
	for _, i := range older {
		if len(i.own) > 0 {
			d.c.bundle.Base = ebs.Scheme + i.own[0]
			return "", nil
		}
	}
	return "there is no older image of this template, machine and SOURCE", nil
}

// prepare finds out what is better known before the work than after it: whether EC2 would
// allow all that is to be asked of it.
func (d *diskRun) prepare(ctx context.Context) (err error) {
	c := d.c
	if d.ask, err = c.disk.foreseen(&c.image, d.tags); err != nil {
		return err
	}
	if err := allowed(ctx, d.ec2, d.ask, ""); err != nil {
		return err
	}
	return d.lookInUse(ctx)
}

// ship does the work.
func (d *diskRun) ship(ctx context.Context) error {
	c := d.c
	if c.keep > 0 { // a clean-up that is not allowed is known now, not then
		if _, err := d.choose(ctx, new(Summary), ""); err != nil {
			return err
		}
	}
	made, err := d.Make(ctx)
	if err != nil {
		return err
	}
	sum := Summary{Summary: d.Finished(made), Name: d.ask.Name}
	id, err := ebs.ParsePlace(string(sum.Dest))
	if err != nil {
		return err
	}
	d.UI.Begin(progress.Finishing)
	if sum.ImageID, err = d.register(ctx, id); err != nil {
		if sum.ImageID != "" { // it is registered: not again
			return err
		}
		return snapshotLeft(err, id, d.ask.Name, &c.bundle.S3)
	}
	sum.Seconds, c.done = cli.Seconds(d.Began), &sum
	kept := d.drop(ctx, &sum)
	d.UI.Close()
	if err := d.print(&sum); err != nil {
		d.App.ErrorLine("the image is registered, but the summary could not be printed: " + err.Error())
	}
	d.SayHidden("--progress plain -v shows them")
	return cmp.Or(kept, d.Verdict())
}

// register makes an image of the snapshot. An id that is known already is returned with
// the error.
func (d *diskRun) register(ctx context.Context, id string) (image string, err error) {
	s, err := d.client.Open(ctx, id)
	if err != nil {
		return "", err
	}
	defer s.Close()
	in, err := d.c.disk.judge(d.App, &d.c.image, ebs.Scheme+id, s, d.tags)
	if err != nil {
		return "", err
	}
	in.Root.Snapshot = id
	return d.c.image.register(ctx, d.App, d.ec2, in)
}

// print prints the summary.
func (d *diskRun) print(sum *Summary) error {
	switch {
	case d.Opt.JSON:
		return cli.PrintJSON(d.App.Stdout, sum)
	case d.App.Quiet:
		return nil
	}
	state := "available"
	if d.c.image.noWait {
		state = "not waited for"
	}
	rows := append(d.Rows("shipped", sum.Summary), [2]string{"registered", fmt.Sprintf("%s, %s, %s", sum.ImageID, words.Printable(sum.Name), state)})
	for _, id := range slices.Concat(sum.Deleted, sum.DeletedSnapshots) {
		rows = append(rows, [2]string{"deleted", id})
	}
	rows = append(rows, sum.images()...)
	next := "aws ec2 run-instances" + d.c.bundle.S3.CliFlags() + " --image-id " + sum.ImageID
	return cli.PrintRows(d.App.Stdout, append(rows, [2]string{"next", next}))
}

// images returns the rows about images that stay.
func (s *Summary) images() (rows [][2]string) {
	if s.Kept > 0 {
		rows = append(rows, [2]string{"kept", words.Plural(int64(s.Kept), "image") + " of this template"})
	}
	for _, text := range s.LeftAlone {
		rows = append(rows, [2]string{"left alone", words.Printable(text)})
	}
	return rows
}

// dryRun says what would be made, and what would go for it.
func (d *diskRun) dryRun(ctx context.Context) error {
	sum := Summary{Name: d.ask.Name}
	rows := [][2]string{{"would register", words.Printable(sum.Name) + "; EC2 would allow it"}}
	if d.c.keep > 0 {
		doomed, err := d.choose(ctx, &sum, "")
		if err != nil {
			return err
		}
		for _, image := range doomed {
			sum.WouldDelete, sum.WouldDeleteSnapshots = append(sum.WouldDelete, image.ID), append(sum.WouldDeleteSnapshots, image.own...)
			rows = append(rows, [2]string{"would delete", image.line() + "; EC2 would allow it"})
		}
		sum.Kept -= len(doomed)
		rows = append(rows, sum.images()...)
	}
	if !d.Opt.JSON && !d.App.Quiet {
		if err := cli.PrintRows(d.App.Stdout, rows); err != nil {
			return err
		}
	}
	plan, err := d.Foresee(ctx)
	switch {
	case err != nil:
		return err
	case d.Opt.JSON:
		sum.Summary = plan
		return cli.PrintJSON(d.App.Stdout, sum)
	case d.App.Quiet:
		return nil
	}
	return d.PrintPlan(plan)
}
