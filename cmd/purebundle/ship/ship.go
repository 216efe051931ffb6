package ship

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/ec2tools"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
)

// options holds what the flags of "ship" say.
type options struct {
	flags    create.Flags
	bundle   create.Options // what the flags and the template say
	target   template       // DIR of s3://BUCKET/DIR
	name     template       // of the image
	values   map[string]string
	keep     int
	noBase   bool
	template string // s3://BUCKET/TEMPLATE, as it was given
	status   statusFile
	done     *Summary // of the bundle that is there; nil: none is yet
	register bool
	store    bool // an instance-store image

	disk    diskOptions
	kind    string   // create.DiskKind
	noCheck bool     // no look whether a machine would start from the disk
	inUse   []string // launch templates

	dir       string // for the bundle in Amazon's format, until it is in S3
	noInherit bool
	image     imageOptions
	ec2       ec2tools.Options
}

// Headings of the flags that mean something with --register only.
const (
	imageGroup = "The machine image, with --register"
	storeGroup = "An image in Amazon's old format, with --register --instance-store"
)

func New(a *cli.App) *cobra.Command {
	c := &options{flags: *create.NewFlags()}
	cmd := &cobra.Command{
		Use:   "ship [flags] SOURCE [s3://BUCKET/TEMPLATE]",
		Short: "Bundle to S3 under a name of its own, or make a machine image; drop older ones",
		Long: `Bundle the live tree SOURCE to S3, in a directory whose name has fields that are
filled in: {hostname}, {date} and {time} (UTC), {uuid} (another each time).

The newest bundle of the same template, SOURCE and machine is its base, as with
"purebundle bundle --base": what did not change since is neither read nor sent, but
copied within S3.

With --register, SOURCE's disk is made in an EBS snapshot, as by "purebundle bundle
--disk SOURCE ebs:", and that is registered as a machine image (AMI): no bucket, no
disk and no instance in between. --name may have the same fields. First it is judged
whether a machine of EC2 would start from it (purebundle check --for aws), and EC2 is
asked whether all would be allowed. --instance-store makes the old kind of image: a
bundle in Amazon's format in S3, of which each part is sent when it is full; the
image's own parts lie in a temporary directory that is removed again.

With --keep N, older ones of the same template, SOURCE and machine are deleted once the
new one is complete, until N are left, by their dates: bundles, or images with their
snapshots. Nothing else is: nothing of another machine or SOURCE, nothing that cannot
be read, and nothing that has files which the new one could not read (status 3); no
image at all then. Nor is an image that a launch template of --in-use starts, that is
protected, or that has, or whose snapshot has, the tag purebundle:keep.

With --instance-store, a bundle does not say which machine and SOURCE it is of: have
{hostname} in the template where several use the bucket, and a directory for each
SOURCE. Images that were registered from bundles that go stay registered, but can no
longer start.

It says nothing but a summary, fit for a mail from cron; on a terminal it shows its
progress. What goes in is decided as by "purebundle bundle".`,
		Example: `  sudo purebundle ship / 's3://my-bucket/{hostname}-{date}'
  sudo purebundle ship --keep 7 / 's3://my-bucket/{hostname}/{date}-{time}'
  sudo purebundle ship --register --name '{hostname} {date}' /
  sudo purebundle ship --register --name '{hostname} {date}' --keep 3 --in-use web /
  sudo purebundle ship / 's3://my-bucket/{hostname}-{date}' --register \
      --instance-store --privatekey pk.pem --cert cert.pem --user 123456789012`,
		Args: func(cmd *cobra.Command, args []string) error {
			if c.register && !c.store {
				return cli.ArgsBetween(1, 2, "SOURCE")(cmd, args)
			}
			return cli.ArgsBetween(2, 2, "SOURCE and s3://BUCKET/TEMPLATE")(cmd, args)
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd, a, args) },
		ValidArgsFunction: cli.CompleteDirectories,
	}
	c.addFlags(cmd)
	return cmd
}

// addFlags adds the flags, in their groups.
func (c *options) addFlags(cmd *cobra.Command) {
	c.flags.ContentFlags(cmd)
	c.flags.ImageFlags(cmd)
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		c.flags.OutputFlags(f)
		c.flags.BaseFlags(f)
		f.BoolVar(&c.noBase, "no-base", false, "take no base by itself: read and send everything")
		f.IntVar(&c.keep, "keep", 0, "keep `N` bundles, or with --register images, of this template, the new one among them; 0 keeps all")
		f.StringArrayVar(&c.inUse, "in-use", nil, "with --keep and --register, delete no image that launch `TEMPLATE`, a name or lt-…, starts in any version; repeatable")
		f.BoolVarP(&c.flags.DryRun, "dry-run", "n", false, "say what would happen, and what --keep would delete; write nothing")
		c.status.flag(f)
		cli.ProgressFlag(f, &c.flags.Progress)
		f.BoolVar(&c.flags.JSON, "json", false, "print the summary as JSON")
	})
	cli.Group(cmd, imageGroup, func(f *pflag.FlagSet) {
		f.BoolVar(&c.register, "register", false, "make a machine image (AMI), whose disk is in EBS")
		f.StringVar(&c.image.name, "name", "", "`TEMPLATE` of the image's name (default with --instance-store: that of the directory)")
		c.image.flags(f)
		f.BoolVar(&c.store, "instance-store", false, "make an image of the old kind, for machines without EBS")
	})
	cli.Group(cmd, diskGroup, func(f *pflag.FlagSet) {
		c.disk.flags(f)
		c.disk.volume.JournalFlag(f)
		f.StringVar(&c.kind, "disk", string(create.AutoDisk), "the disk: `auto`, that of SOURCE or a new one if it has none, or fresh, a new one that starts by UEFI")
		f.BoolVar(&c.noCheck, "no-check", false, "do not look whether a machine of EC2 would start from it (see \"purebundle check --for aws\")")
	})
	cli.Group(cmd, storeGroup, func(f *pflag.FlagSet) {
		c.image.storeFlags(f)
		f.BoolVar(&c.noInherit, "no-inherit", false, "take nothing from the instance's metadata service")
		c.ec2.IdentityFlags(f)
		cli.TrustFlag(f, &c.flags.TrustDest)
		cli.DirVarP(f, &c.dir, "destination", "", "", "`DIR` for the parts of the image until the bundle is in S3 (default: $TMPDIR, else /var/tmp)")
	})
	c.flags.S3.WriteFlags(cmd)
	c.flags.S3.ResumeFlag(cmd)
	cli.CompleteProgress(cmd)
}

// run checks what the flags say, and does it.
func (c *options) run(cmd *cobra.Command, a *cli.App, args []string) error {
	c.values = FieldValues(time.Now())
	if err := c.checkGroups(cmd); err != nil {
		return err
	}
	if c.register && !c.store {
		if err := c.checkDisk(cmd, args); err != nil {
			return err
		}
		return c.status.around(c, func() error { return c.shipDisk(cmd.Context(), a) })
	}
	if err := c.check(cmd, args[0], args[1]); err != nil {
		return err
	}
	return c.status.around(c, func() error { return ship(cmd.Context(), a, c) })
}

// check completes the configuration and finds the mistakes that need no look at
// SOURCE, nor at S3.
func (c *options) check(cmd *cobra.Command, source, url string) error {
	if err := cli.CheckDest("ship", url); err != nil {
		return err
	}
	if !s3.IsURL(url) {
		return cli.WithHint(cli.Usagef("ship %s: no place in S3", url), "write it as in 's3://my-bucket/{hostname}-{date}'; \"purebundle bundle\" makes bundles in directories and snapshots, ship --register machine images")
	}
	bucket, path, _ := strings.Cut(strings.TrimPrefix(url, "s3://"), "/")
	if strings.ContainsAny(bucket, "{}") {
		return cli.WithHint(cli.Usagef("ship %s: a field in the name of the bucket", url), "fields are for what comes after it: s3://BUCKET/TEMPLATE")
	}
	c.flags.OwnBase, c.template = true, url
	if err := c.status.check(c.flags.DryRun); err != nil {
		return err
	}
	var err error
	if c.target, err = parseTemplate(strings.TrimSuffix(path, "/")); err != nil {
		return err
	}
	if c.bundle, err = c.flags.Options(source, "s3://"+bucket+"/"+c.target.expand(c.values)); err != nil {
		return err
	}
	if c.bundle.Place.Dir != c.target.expand(c.values) {
		return cli.WithHint(cli.Usagef("ship %s: has empty names in it", url), "one slash is enough")
	}
	switch {
	case c.noBase && (c.bundle.Base != "" || c.bundle.Reread):
		return cli.WithHint(cli.Usagef("ship: --no-base, and --base or --reread"), "without a base, every file is read")
	case c.register && (c.bundle.Base != "" || c.bundle.Reread):
		return cli.WithHint(cli.Usagef("ship: --register, and --base or --reread"), "a bundle in Amazon's format is compressed and encrypted from its first byte to its last: it has no base")
	case c.keep < 0:
		return cli.WithHint(cli.Usagef("ship: --keep %d: not a number of bundles", c.keep), "0 keeps all, 1 the new one alone")
	case c.keep > 0 && !c.target.varies():
		return cli.WithHint(cli.Usagef("ship %s: --keep, but each run has the same name", url), "put {date}, {time} or {uuid} in it")
	}
	if err := c.bundle.S3.Valid(cmd.Name()); err != nil {
		return err
	}
	if c.register && c.bundle.S3.Resume {
		return cli.WithHint(cli.Usagef("ship: --resume, and --register"), "in Amazon's format each run encrypts with a key of its own, so that nothing can be kept")
	}
	if c.register {
		return c.checkImage()
	}
	return nil
}

// checkGroups refuses flags of what is not made.
func (c *options) checkGroups(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		t := cli.GroupOf(f)
		switch {
		case err != nil:
		case !c.register && (t == imageGroup || t == diskGroup || t == storeGroup):
			err = cli.WithHint(cli.Usagef("ship: --%s, but no --register", f.Name), "with --register, a machine image is made")
		case c.store && t == diskGroup:
			err = cli.WithHint(cli.Usagef("ship: --%s, and --instance-store", f.Name), "it is about images whose disk is in EBS: leave one of the two out")
		case c.register && !c.store && t == storeGroup:
			err = cli.WithHint(cli.Usagef("ship: --%s, but no --instance-store", f.Name), "it is about images of the old kind; one whose disk is in EBS needs none of that")
		}
	})
	if err == nil && len(c.inUse) > 0 && (c.keep == 0 || !c.register || c.store) {
		err = cli.WithHint(cli.Usagef("ship: --in-use, but nothing that it could save"), "with --register and --keep, older images are deleted")
	}
	return err
}

// ship makes the bundle, and the image, and drops what is older.
func ship(ctx context.Context, a *cli.App, c *options) error {
	if err := create.CheckSource("bundle", c.bundle.Source); err != nil {
		return err
	}
	var err error
	if c.bundle.Mounts, err = walker.NewPlan(c.bundle.Source, c.bundle.Walk); err != nil {
		return err
	}
	defer c.bundle.Mounts.Close()
	r := &create.Run{App: a, Opt: c.bundle, UI: a.Show(onTerminal(a, c.flags.Progress))}
	defer r.UI.Close()
	if c.register && !c.bundle.DryRun {
		return c.shipImage(ctx, a, r.UI)
	}
	store, err := c.bundle.S3.Open(ctx, a, c.bundle.Place)
	if err != nil {
		return err
	}
	if err := c.openBase(ctx, r, store); err != nil {
		return err
	}
	defer r.CloseBase()
	r.Confine(c.status.power(r.Power(ctx)))
	if c.bundle.DryRun {
		return c.dryRun(ctx, r, store)
	}
	made, err := r.Make(ctx)
	if err != nil {
		return err
	}
	sum := Summary{Summary: r.Finished(made), Manifest: cli.BundleURL(c.bundle.Place, c.bundle.Prefix)}
	c.done = &sum
	verdict := r.Verdict()
	kept := c.drop(ctx, r, store, &sum)
	r.UI.Close()
	next := "purebundle verify" + c.bundle.S3.Again() + " " + words.Quote(r.BundleName())
	if err := sum.print(r, r.Rows("shipped", sum.Summary), next); err != nil {
		r.App.ErrorLine("the bundle is complete, but its summary could not be printed: " + err.Error())
	}
	r.SayHidden(chunk.ManifestName(c.bundle.Prefix) + ` lists them under "warnings"`)
	return cmp.Or(kept, verdict)
}

// Summary holds what --json prints of a ship: fields are added, never changed.
type Summary struct {
	create.Summary
	Manifest string   `json:"manifest"`           // where the bundle's is
	ImageID  string   `json:"image_id,omitempty"` // with --register
	Name     string   `json:"name,omitempty"`     // of that image
	Deleted  []string `json:"deleted,omitempty"`  // older bundles or images, with --keep
	// DeletedSnapshots are those of the images.
	DeletedSnapshots []string `json:"deleted_snapshots,omitempty"`
	// WouldDelete is that of a dry run, at most: what the new bundle lacks is not known.
	WouldDelete          []string `json:"would_delete,omitempty"`
	WouldDeleteSnapshots []string `json:"would_delete_snapshots,omitempty"`
	Kept                 int      `json:"kept,omitempty"` // bundles or images of the template, the new one among them
	// LeftAlone lists bundles that the template matches and that are of others, or
	// cannot be read; of images and snapshots, those that stay, and why.
	LeftAlone []string `json:"left_alone,omitempty"`
}

// print prints the summary: rows, what became of older bundles, and what to type next.
func (s *Summary) print(r *create.Run, rows [][2]string, next string) error {
	if r.Opt.JSON {
		return cli.PrintJSON(r.App.Stdout, s)
	}
	if r.App.Quiet {
		return nil
	}
	for _, name := range s.Deleted {
		if s.ImageID != "" {
			name += "; an image made of it can no longer start: deregister it"
		}
		rows = append(rows, [2]string{"deleted", words.Printable(name)})
	}
	if s.Kept > 0 {
		rows = append(rows, [2]string{"kept", words.Plural(int64(s.Kept), "bundle") + " of this template"})
	}
	return cli.PrintRows(r.App.Stdout, append(append(rows, s.alone()...), [2]string{"next", next}))
}

// alone returns the row of the bundles that were left alone, if there are any.
func (s *Summary) alone() [][2]string {
	if len(s.LeftAlone) == 0 {
		return nil
	}
	return [][2]string{{"left alone", fmt.Sprintf("%s of other machines or another SOURCE, or not to be read, such as %s",
		words.Plural(int64(len(s.LeftAlone)), "bundle"), words.Printable(s.LeftAlone[0]))}}
}

// dryRun says what would be made, under which names, and what would go for it.
func (c *options) dryRun(ctx context.Context, r *create.Run, store *s3.Store) error {
	sum := Summary{Manifest: cli.BundleURL(c.bundle.Place, c.bundle.Prefix)}
	rows := [][2]string{{"would ship to", words.Printable(c.bundle.Dest)}}
	if c.register {
		sum.Name, sum.Manifest = c.image.name, c.bundle.Place.Path(ec2.ManifestName(c.bundle.Prefix))
		rows = append(rows, [2]string{"would register", words.Printable(c.image.name)})
	}
	if c.keep > 0 {
		older, err := c.older(ctx, r.App, store, &sum)
		if err != nil {
			return err
		}
		for _, b := range older[min(c.keep-1, len(older)):] {
			name := store.In(b.dir).Location().String()
			sum.WouldDelete = append(sum.WouldDelete, name)
			rows = append(rows, [2]string{"would delete", words.Printable(name)})
		}
		sum.Kept = len(older) + 1 - len(sum.WouldDelete)
		rows = append(rows, sum.alone()...)
	}
	if !r.Opt.JSON && !r.App.Quiet {
		if err := cli.PrintRows(r.App.Stdout, rows); err != nil {
			return err
		}
	}
	plan, err := r.Foresee(ctx)
	switch {
	case err != nil:
		return err
	case r.Opt.JSON:
		sum.Summary = plan
		return cli.PrintJSON(r.App.Stdout, sum)
	case r.App.Quiet:
		return nil
	}
	return r.PrintPlan(plan)
}
