package ship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/ec2tools"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// checkImage is check for what --register needs.
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

// shipImage makes a bundle in Amazon's format, uploads and registers it. What is on
// disk meanwhile is removed in any case.
func (c *options) shipImage(ctx context.Context, r create.Run, store *s3.Store) (err error) {
	a := r.App
	keys, err := c.ec2.Keys(a)
	if err != nil {
		return err
	}
	manifest, err := c.ec2.Manifest(a.Version)
	if err != nil {
		return err
	}
	if err := c.checkFree(ctx, store); err != nil {
		return err
	}
	in, err := c.image.input(imageLocation(c.bundle.Place, c.bundle.Prefix), c.image.name, c.bundle.S3.Tags.Values)
	if err != nil {
		return err
	}
	cfg, err := c.image.connect(ctx, a, &c.bundle.S3)
	if err != nil {
		return err
	}
	// Better known before the work than after it.
	in.DryRun = true
	if _, err := c.image.register(ctx, a, cfg, in); err != nil {
		return err
	}
	in.DryRun = false

	work, err := newWorkDir(c.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.remove()) }()
	dir := filepath.Join(work.path, "raw") // which has a lock of its own
	r.Opt.Dest, r.Opt.Work = dir, cmp.Or(c.dir, work.path)
	vol := &ec2tools.VolRun{Run: r, C: &ec2tools.VolOptions{Options: c.ec2, Volume: c.bundle.Source, Inherit: true, NoInherit: c.noInherit},
		Keys: keys, Manifest: manifest, Store: store, RawDir: dir}
	made, err := vol.Make(ctx)
	if err != nil {
		return err
	}
	if err := work.remove(); err != nil {
		return err
	}
	vol.UI.Begin(progress.Finishing)
	sum := Summary{Summary: vol.Summarize(), Manifest: "s3://" + in.Location, Name: in.Name}
	if sum.ImageID, err = c.image.register(ctx, a, cfg, in); err != nil {
		err = &cli.LeftError{Err: err, Left: "the bundle is complete: " + sum.Manifest}
		if sum.ImageID != "" { // it is registered: not again
			return err
		}
		return cli.WithHint(err,
			"once that is put right: purebundle register%s --name %s %s", c.bundle.S3.Again(), words.Quote(in.Name), words.Quote(sum.Manifest))
	}
	sum.ImageSize, sum.Parts, sum.SentBytes = made.Size, made.Parts, made.Bytes
	sum.Dest = chunk.Path(c.bundle.Place.String())
	sum.Seconds = time.Since(vol.Began).Round(time.Millisecond).Seconds()
	verdict := vol.Verdict()
	kept := c.drop(ctx, &vol.Run, store, &sum)
	vol.UI.Close()
	state := "available"
	if c.image.noWait {
		state = "not waited for"
	}
	rows := append([][2]string{
		{"shipped", vol.ContentLine()},
		{"image", vol.ImageLine(sum.Summary)},
		{"parts", fmt.Sprintf("%s in %s, %s sent", words.Count(int64(made.Parts)), words.Printable(c.bundle.Dest), words.Size(made.Bytes))},
		{"registered", fmt.Sprintf("%s, %s, %s", sum.ImageID, words.Printable(in.Name), state)},
	}, vol.CommonRows(sum.Summary)...)
	if err := sum.print(&vol.Run, rows, "aws ec2 run-instances"+c.bundle.S3.CliFlags()+" --image-id "+sum.ImageID); err != nil {
		a.ErrorLine("the image is registered, but the summary could not be printed: " + err.Error())
	}
	return cmp.Or(kept, verdict)
}

// checkFree refuses to replace a bundle without --force, before any work is done.
func (c *options) checkFree(ctx context.Context, store *s3.Store) error {
	have, err := store.List(ctx)
	if err != nil {
		return err
	}
	return ec2tools.NotThere(store, c.bundle.Prefix, have, c.bundle.Force)
}
