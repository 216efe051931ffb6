package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk/s3"
	"purebundle/walker"
)

// shipConfig is what the flags of "ship" say.
type shipConfig struct {
	bundle   bundleConfig
	target   template // DIR of s3://BUCKET/DIR
	name     template // of the image
	values   map[string]string
	keep     int
	register bool

	dir       string // for the bundle in Amazon's format, until it is in S3
	noInherit bool
	image     imageConfig
	ec2       ec2Config
}

// Headings of the flags that mean something with --register only.
const (
	imageGroup = "The machine image, with --register"
	whomGroup  = "For whom, with --register"
)

func newShip(a *app) *cobra.Command {
	c := &shipConfig{bundle: bundleConfig{prefix: "image", free: freeFlag{percent: 10}, progress: progressAuto}}
	cmd := &cobra.Command{
		Use:   "ship [flags] SOURCE s3://BUCKET/TEMPLATE",
		Short: "Bundle to S3 under a name of its own, register it, drop older ones",
		Long: `Bundle the live tree SOURCE to S3, in a directory whose name has fields that are
filled in: {hostname}, {date} and {time} (UTC), {uuid} (another each time).

With --register, the bundle is one in Amazon's format, made in a temporary
directory that is removed again, uploaded, and registered as a machine image;
--name may have the same fields; there, --force removes an older bundle of that
very name before it uploads. With --keep N, older bundles of the same template
and machine are deleted once the new one is complete, until N are left, by the
date of the bundles: nothing else is, of a bundle that cannot be read nothing
either, and nothing at all where the new one lacks files that could not be read
(status 3). A bundle in Amazon's format does not say which machine it is of: have
{hostname} in the template where several use the bucket. Images that were
registered from them stay registered, but can no longer start.

It says nothing but a summary, fit for a mail from cron; on a terminal it shows its
progress. What goes in is decided as by "purebundle bundle".`,
		Example: `  sudo purebundle ship / 's3://my-bucket/{hostname}-{date}'
  sudo purebundle ship --keep 7 / 's3://my-bucket/{hostname}/{date}-{time}'
  sudo purebundle ship / 's3://my-bucket/{hostname}-{date}' --keep 3 --register \
      --name '{hostname} {date}' -k pk.pem -c cert.pem -u 123456789012`,
		Args: argsBetween(2, 2, "SOURCE and s3://BUCKET/TEMPLATE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.bundle.source = args[0]
			c.values = fieldValues(time.Now())
			if err := c.check(cmd, args[1]); err != nil {
				return err
			}
			return ship(cmd.Context(), a, c)
		},
		ValidArgsFunction: completeDirectories,
	}
	c.bundle.contentFlags(cmd)
	c.bundle.imageFlags(cmd)
	group(cmd, "The output", func(f *pflag.FlagSet) {
		c.bundle.outputFlags(f)
		f.IntVar(&c.keep, "keep", 0, "keep `N` bundles of this template, the new one among them; 0 keeps all")
		f.BoolVarP(&c.bundle.dryRun, "dry-run", "n", false, "say what would happen, and what --keep would delete; write nothing")
		progressFlag(f, &c.bundle.progress)
		f.BoolVar(&c.bundle.json, "json", false, "print the summary as JSON")
	})
	group(cmd, imageGroup, func(f *pflag.FlagSet) {
		f.BoolVar(&c.register, "register", false, "make a machine image (AMI) of it")
		f.StringVar(&c.image.name, "name", "", "`TEMPLATE` of the image's name (default: that of the directory)")
		c.image.flags(f)
		f.BoolVar(&c.noInherit, "no-inherit", false, "take nothing from the instance's metadata service")
	})
	group(cmd, whomGroup, func(f *pflag.FlagSet) {
		c.ec2.identityFlags(f)
		f.StringVarP(&c.dir, "destination", "d", "", "`DIR` for the bundle until it is in S3 (default: $TMPDIR, else /var/tmp)")
	})
	c.bundle.s3.writeFlags(cmd)
	completeProgress(cmd)
	return cmd
}

// check completes the configuration and finds the mistakes that need no look at
// SOURCE, nor at S3.
func (c *shipConfig) check(cmd *cobra.Command, url string) error {
	if !s3.IsURL(url) {
		return withHint(usagef("ship %s: no place in S3", url), "write it as in 's3://my-bucket/{hostname}-{date}'; \"purebundle bundle\" makes bundles in directories")
	}
	bucket, path, _ := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	if strings.ContainsAny(bucket, "{}") {
		return withHint(usagef("ship %s: a field in the name of the bucket", url), "fields are for what comes after it: s3://BUCKET/TEMPLATE")
	}
	var err error
	if c.target, err = parseTemplate(strings.TrimSuffix(path, "/")); err != nil {
		return err
	}
	if err := c.bundle.check(); err != nil {
		return err
	}
	c.bundle.dest = "s3://" + bucket + "/" + c.target.expand(c.values)
	if err := c.bundle.checkDest(); err != nil {
		return err
	}
	if c.bundle.place.Dir != c.target.expand(c.values) {
		return withHint(usagef("ship %s: has empty names in it", url), "one slash is enough")
	}
	switch {
	case c.keep < 0:
		return usagef("ship: --keep %d: not a number of bundles", c.keep)
	case c.keep > 0 && !c.target.varies():
		return withHint(usagef("ship %s: --keep, but each run has the same name", url), "put {date}, {time} or {uuid} in it")
	}
	if err := c.bundle.s3.valid(cmd.Name()); err != nil {
		return err
	}
	if c.register {
		return c.checkImage()
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if t := f.Annotations[groupKey]; err == nil && len(t) > 0 && (t[0] == imageGroup || t[0] == whomGroup) {
			err = withHint(usagef("ship: --%s, but no --register", f.Name), "with --register, a machine image is made of the bundle")
		}
	})
	return err
}

// ship makes the bundle, and the image, and drops what is older.
func ship(ctx context.Context, a *app, c *shipConfig) error {
	if err := checkSource(c.bundle.source); err != nil {
		return err
	}
	mounts, err := walker.Mounts(c.bundle.source, c.bundle.walk)
	if err != nil {
		return err
	}
	if a.quiet || c.bundle.progress == progressAuto && !isTerminal(a.stderr) {
		c.bundle.progress = progressNone // fit for a mail
	}
	a.jsonErrors = c.bundle.progress == progressJSON
	r := bundleRun{app: a, cfg: &c.bundle, ui: a.newUI(c.bundle.progress)}
	defer r.ui.close()
	if a.verbose {
		r.sayMounts(mounts)
	}
	store, err := c.bundle.s3.open(ctx, a, c.bundle.place)
	if err != nil {
		return err
	}
	switch {
	case c.bundle.dryRun:
		return c.dryRun(ctx, &r, store)
	case c.register:
		return c.shipImage(ctx, r, store)
	}
	made, err := r.make(ctx)
	if err != nil {
		return err
	}
	sum := shipJSON{summaryJSON: r.finished(made), Manifest: bundleURL(c.bundle.place, c.bundle.prefix)}
	verdict := r.verdict()
	kept := c.drop(ctx, a, store, &sum, verdict)
	r.ui.close()
	next := "purebundle verify" + c.bundle.s3.again() + " " + shellQuote(r.bundleName())
	if err := sum.print(&r, r.rows("shipped", sum.summaryJSON), next); err != nil {
		r.app.errorLine("the bundle is complete, but its summary could not be printed: " + err.Error())
	}
	return cmp.Or(kept, verdict)
}

// shipJSON is the summary of a ship: what --json prints, fields added, never changed.
type shipJSON struct {
	summaryJSON
	Manifest string   `json:"manifest"`           // where the bundle's is
	ImageID  string   `json:"image_id,omitempty"` // with --register
	Name     string   `json:"name,omitempty"`     // of that image
	Deleted  []string `json:"deleted,omitempty"`  // older bundles, with --keep
	Kept     int      `json:"kept,omitempty"`     // bundles of the template, the new one among them
}

// print prints the summary: rows, what became of older bundles, and what to type next.
func (s *shipJSON) print(r *bundleRun, rows [][2]string, next string) error {
	if r.cfg.json {
		return printJSON(r.app.stdout, s)
	}
	if r.app.quiet {
		return nil
	}
	if s.Warnings > 0 && r.cfg.progress == progressNone {
		rows = append(rows, [2]string{"warnings", fmt.Sprintf("%s; -v --progress plain shows them", formatCount(int64(s.Warnings)))})
	}
	for _, name := range s.Deleted {
		if s.ImageID != "" {
			name += "; an image made of it can no longer start: deregister it"
		}
		rows = append(rows, [2]string{"deleted", printable(name)})
	}
	if s.Kept > 0 {
		rows = append(rows, [2]string{"kept", plural(int64(s.Kept), "bundle") + " of this template"})
	}
	return printRows(r.app.stdout, append(rows, [2]string{"next", next}))
}

// dryRun says what would be made, under which names, and what would go for it.
func (c *shipConfig) dryRun(ctx context.Context, r *bundleRun, store *s3.Store) error {
	rows := [][2]string{{"would ship to", printable(c.bundle.dest)}}
	if c.register {
		rows = append(rows, [2]string{"would register", printable(c.image.name)})
	}
	if c.keep > 0 {
		older, err := c.older(ctx, r.app, store)
		if err != nil {
			return err
		}
		for _, b := range older[min(c.keep-1, len(older)):] {
			rows = append(rows, [2]string{"would delete", printable(store.In(b.dir).Location().String())})
		}
	}
	if !r.cfg.json && !r.app.quiet {
		if err := printRows(r.app.stdout, rows); err != nil {
			return err
		}
	}
	return r.dryRun(ctx)
}
