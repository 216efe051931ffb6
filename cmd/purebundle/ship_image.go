package main

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
)

// checkImage is check for what --register needs.
func (c *shipConfig) checkImage() (err error) {
	text := c.image.name
	if text == "" {
		text = path.Base(c.bundle.place.Dir) // no braces are left in it
	}
	if c.name, err = parseTemplate(text); err != nil {
		return err
	}
	if c.image.name, err = c.name.imageName(c.values); err != nil {
		return err
	}
	if err := ec2.CheckPrefix(c.bundle.prefix); err != nil {
		return &usageError{err}
	}
	if _, err := c.image.input(imageLocation(c.bundle.place, c.bundle.prefix), c.image.name, c.bundle.s3.tags.values); err != nil {
		return err
	}
	switch {
	case c.bundle.size == 0:
		c.bundle.size = maxEC2Size << 20
	case int64(c.bundle.size) > maxEC2Size<<20:
		return withHint(usagef("ship: --size %s: at most %d MiB for an instance-store AMI", &c.bundle.size, maxEC2Size), "leave it away: that is what it is then")
	}
	if c.bundle.walk.Filter, err = c.bundle.filter.choice(true); err != nil {
		return err
	}
	c.bundle.walk.Secret = c.ec2.named()
	if c.bundle.s3.acl == "" {
		c.bundle.s3.acl = "aws-exec-read"
	}
	c.ec2.prefix, c.ec2.arch, c.ec2.kernel, c.ec2.ramdisk = c.bundle.prefix, c.image.arch, c.image.kernel, c.image.ramdisk
	return nil
}

// shipImage makes a bundle in Amazon's format, uploads and registers it. What is on
// disk meanwhile is removed in any case.
func (c *shipConfig) shipImage(ctx context.Context, r bundleRun, store *s3.Store) (err error) {
	a := r.app
	keys, err := c.ec2.keys()
	if err != nil {
		return err
	}
	manifest, err := c.ec2.manifest()
	if err != nil {
		return err
	}
	if err := c.checkFree(ctx, store); err != nil {
		return err
	}
	in, err := c.image.input(imageLocation(c.bundle.place, c.bundle.prefix), c.image.name, c.bundle.s3.tags.values)
	if err != nil {
		return err
	}
	cfg, err := c.image.connect(ctx, a, &c.bundle.s3)
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
	dir := filepath.Join(work.path, "bundle") // which has a lock of its own
	local := c.bundle
	local.dest, local.work, local.force = dir, cmp.Or(c.dir, work.path), false
	r.cfg = &local
	vol := &ec2VolRun{bundleRun: r, c: &ec2VolConfig{ec2Config: c.ec2, volume: c.bundle.source, inherit: true, noInherit: c.noInherit}, keys: keys, manifest: manifest}
	made, err := vol.make(ctx)
	if err != nil {
		return err
	}
	if err := c.sendImage(ctx, vol, store, dir); err != nil {
		return err
	}
	if err := work.remove(); err != nil {
		return err
	}
	vol.ui.begin(finishing)
	sum := shipJSON{summaryJSON: vol.summarize(), Manifest: "s3://" + in.Location, Name: in.Name}
	if sum.ImageID, err = c.image.register(ctx, a, cfg, in); err != nil {
		err = &leftError{err: err, left: "the bundle is complete: " + sum.Manifest}
		if sum.ImageID != "" { // it is registered: not again
			return err
		}
		return withHint(err,
			"once that is put right: purebundle register%s --name %s %s", c.bundle.s3.again(), shellQuote(in.Name), shellQuote(sum.Manifest))
	}
	sum.ImageSize, sum.Parts, sum.SentBytes = made.size, made.parts, made.bytes
	sum.Dest = chunk.Path(c.bundle.place.String())
	sum.Seconds = time.Since(vol.began).Round(time.Millisecond).Seconds()
	verdict := vol.verdict()
	kept := c.drop(ctx, a, store, &sum, verdict)
	vol.ui.close()
	state := "available"
	if c.image.noWait {
		state = "not waited for"
	}
	rows := append([][2]string{
		{"shipped", vol.contentLine()},
		{"image", vol.imageLine(sum.summaryJSON)},
		{"parts", fmt.Sprintf("%s in %s, %s sent", formatCount(int64(made.parts)), printable(c.bundle.dest), formatSize(made.bytes))},
		{"registered", fmt.Sprintf("%s, %s, %s", sum.ImageID, printable(in.Name), state)},
	}, vol.commonRows(sum.summaryJSON)...)
	if err := sum.print(&vol.bundleRun, rows, "aws ec2 run-instances"+c.bundle.s3.cliFlags()+" --image-id "+sum.ImageID); err != nil {
		a.errorLine("the image is registered, but the summary could not be printed: " + err.Error())
	}
	return cmp.Or(kept, verdict)
}

// checkFree refuses to replace a bundle without --force, before any work is done.
func (c *shipConfig) checkFree(ctx context.Context, store *s3.Store) error {
	up := ec2UploadConfig{ec2S3Config: ec2S3Config{force: c.bundle.force}}
	return up.notThere(ctx, store, c.bundle.prefix)
}

// sendImage uploads the bundle in dir. Where that fails, nothing of it stays in S3.
func (c *shipConfig) sendImage(ctx context.Context, vol *ec2VolRun, store *s3.Store, dir string) error {
	local, err := openEC2Local(filepath.Join(dir, ec2.ManifestName(c.bundle.prefix)), "")
	if err != nil {
		return err
	}
	up := ec2UploadConfig{ec2S3Config: ec2S3Config{force: c.bundle.force}}
	if err := up.makeRoom(ctx, store, local.prefix); err != nil {
		return err
	}
	u := vol.ui
	u.inParts()
	u.bytes.Store(0)
	u.parts.Store(0)
	u.allBytes.Store(local.manifest.BundledSize)
	u.allParts.Store(int64(len(local.manifest.Parts)))
	u.begin(uploading)
	_, err = local.putParts(ctx, store, 0, c.bundle.s3.concurrency, func(n int) {
		u.parts.Add(1)
		u.bytes.Add(int64(n))
	})
	if err == nil {
		err = store.Put(ctx, ec2.ManifestName(local.prefix), local.text)
	}
	if err == nil && c.bundle.force {
		if err := local.removeSurplus(ctx, store); err != nil {
			return fmt.Errorf("the bundle is complete, but parts of the older one are left: %w", err)
		}
	}
	if err == nil {
		return nil
	}
	// What is cancelled cannot clean up after itself.
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	left := removeEC2(clean, store, local.prefix, local.manifest)
	if left == nil && ctx.Err() != nil {
		// What S3 had whole when it was given up may come about a moment later.
		time.Sleep(lateObjects)
		left = removeEC2(clean, store, local.prefix, local.manifest)
	}
	if left != nil {
		return &leftError{err: err, left: left.Error()}
	}
	return err
}

// lateObjects is how long after a run an object of it may still appear.
const lateObjects = 300 * time.Millisecond

// cleanupTime is how long a run that failed tries to remove what it put in S3.
const cleanupTime = 10 * time.Second
