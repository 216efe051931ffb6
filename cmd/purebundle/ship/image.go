package ship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/ec2/ami"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/ec2tools"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// checkImage returns what is wrong with what --register needs.
func (c *options) checkImage() (err error) {
	text := c.image.name
	if text == "" {
		text = path.Base(c.bundle.Place.Dir) // no braces are left in it
	}
	if c.name, err = parseTemplate(text); err != nil {
		return err
	}
	if c.image.name, err = c.name.imageName(c.values); err != nil {
		return err
	}
	if err := ec2.CheckPrefix(c.bundle.Prefix); err != nil {
		return &cli.UsageError{Err: err}
	}
	if _, err := c.image.input(imageLocation(c.bundle.Place, c.bundle.Prefix), c.image.name, c.bundle.S3.Tags.Values); err != nil {
		return err
	}
	switch {
	case c.bundle.Image.Size == 0:
		c.bundle.Image.Size = ec2tools.MaxSize << 20
	case c.bundle.Image.Size > ec2tools.MaxSize<<20:
		return cli.WithHint(cli.Usagef("ship: --size %s: at most %d MiB for an instance-store AMI", words.Size(c.bundle.Image.Size), ec2tools.MaxSize), "leave it away: that is what it is then")
	}
	if c.bundle.Walk.Filter, err = c.flags.Filter.Choice(true); err != nil {
		return err
	}
	c.bundle.Walk.Secret = c.ec2.Named()
	if c.bundle.S3.ACL == "" {
		c.bundle.S3.ACL = "aws-exec-read"
	}
	c.ec2.Prefix, c.ec2.Arch, c.ec2.Kernel, c.ec2.Ramdisk = c.bundle.Prefix, c.image.arch, c.image.kernel, c.image.ramdisk
	return nil
}

// imageRun is one run that ships a machine image: what it made ready, and makes.
type imageRun struct {
	c     *options
	app   *cli.App
	ui    *progress.UI
	store *s3.Store

	keys     ec2.Keys
	manifest *ec2.Manifest
	input    ami.Input  // what EC2 is asked for
	ec2      aws.Config // how it is reached

	vol  *ec2tools.VolRun
	made ec2tools.Made
}

// shipImage makes a bundle in Amazon's format, uploads and registers it. What is on
// disk meanwhile is removed in any case.
func (c *options) shipImage(ctx context.Context, a *cli.App, ui *progress.UI) error {
	r := &imageRun{c: c, app: a, ui: ui}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.make(ctx); err != nil {
		return err
	}
	ui.Begin(progress.Finishing)
	sum, err := r.register(ctx)
	if err != nil {
		return err
	}
	c.done = &sum
	verdict := r.vol.Verdict()
	kept := c.drop(ctx, &r.vol.Run, r.store, &sum)
	ui.Close()
	if err := r.print(&sum); err != nil {
		a.ErrorLine("the image is registered, but the summary could not be printed: " + err.Error())
	}
	r.vol.SayHidden("--progress plain -v shows them")
	return cmp.Or(kept, verdict)
}

// prepare finds out what is better known before the work than after it.
func (r *imageRun) prepare(ctx context.Context) (err error) {
	c := r.c
	if r.store, err = c.bundle.S3.Open(ctx, r.app, c.bundle.Place); err != nil {
		return err
	}
	if r.keys, err = c.ec2.Keys(r.app); err != nil {
		return err
	}
	if r.manifest, err = c.ec2.Manifest(r.app.Version); err != nil {
		return err
	}
	if err := c.checkFree(ctx, r.store); err != nil {
		return err
	}
	if r.input, err = c.image.input(imageLocation(c.bundle.Place, c.bundle.Prefix), c.image.name, c.bundle.S3.Tags.Values); err != nil {
		return err
	}
	if r.ec2, err = c.image.connect(ctx, r.app, &c.bundle.S3); err != nil {
		return err
	}
	asked := r.input
	asked.DryRun = true
	_, err = c.image.register(ctx, r.app, r.ec2, asked)
	return err
}

// make makes the bundle in S3. The directory in which it works lasts as long.
func (r *imageRun) make(ctx context.Context) (err error) {
	work, err := newWorkDir(r.c.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.remove()) }()
	opt := r.c.bundle
	opt.Dest, opt.Work = filepath.Join(work.path, "raw"), cmp.Or(r.c.dir, work.path) // raw has a lock of its own
	r.vol = &ec2tools.VolRun{Run: create.Run{App: r.app, Opt: opt, UI: r.ui},
		C:    &ec2tools.VolOptions{Options: r.c.ec2, Volume: opt.Source, Inherit: true, NoInherit: r.c.noInherit},
		Keys: r.keys, Manifest: r.manifest, Store: r.store, RawDir: opt.Dest}
	parent := filepath.Dir(work.path)
	r.vol.Confine(r.c.status.power(opt.S3.Remote(ctx, confine.Rest{Write: []string{work.path}, Remove: []string{parent}, Capabilities: confine.ForWriting(parent)})))
	r.made, err = r.vol.Make(ctx)
	return err
}

// register registers the bundle.
func (r *imageRun) register(ctx context.Context) (sum Summary, err error) {
	c := r.c
	sum = Summary{Summary: r.vol.Summarize(), Manifest: "s3://" + r.input.Location, Name: r.input.Name}
	if sum.ImageID, err = c.image.register(ctx, r.app, r.ec2, r.input); err != nil {
		err = &cli.LeftError{Err: err, Left: "the bundle is complete: " + sum.Manifest}
		if sum.ImageID != "" { // it is registered: not again
			return sum, err
		}
		return sum, cli.AddHint(err,
			"once that is put right: purebundle register%s --name %s %s", c.bundle.S3.Again(), words.Quote(sum.Name), words.Quote(sum.Manifest))
	}
	sum.ImageSize, sum.Parts, sum.SentBytes = r.made.Size, r.made.Parts, r.made.Bytes
	sum.Dest = chunk.Path(c.bundle.Place.String())
	sum.Seconds = time.Since(r.vol.Began).Round(time.Millisecond).Seconds()
	return sum, nil
}

// print prints the summary.
func (r *imageRun) print(sum *Summary) error {
	state := "available"
	if r.c.image.noWait {
		state = "not waited for"
	}
	rows := append([][2]string{
		{"shipped", r.vol.ContentLine()},
		{"image", r.vol.ImageLine(sum.Summary)},
		{"parts", fmt.Sprintf("%s in %s, %s sent", words.Count(int64(sum.Parts)), words.Printable(r.c.bundle.Dest), words.Size(sum.SentBytes))},
		{"registered", fmt.Sprintf("%s, %s, %s", sum.ImageID, words.Printable(sum.Name), state)},
	}, r.vol.CommonRows(sum.Summary)...)
	return sum.print(&r.vol.Run, rows, "aws ec2 run-instances"+r.c.bundle.S3.CliFlags()+" --image-id "+sum.ImageID)
}

// checkFree refuses to replace a bundle without --force, before any work is done.
func (c *options) checkFree(ctx context.Context, store *s3.Store) error {
	have, err := store.List(ctx)
	if err != nil {
		return err
	}
	return ec2tools.NotThere(store, c.bundle.Prefix, have, c.bundle.Force)
}
