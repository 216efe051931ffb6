package look

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// moveConfig holds what the flags of "upload" and "download" say.
type moveConfig struct {
	readConfig
	force, json bool
	trusted     bool // see chunk.Directory
	base        string
}

// flags adds them; force says what --force does.
func (c *moveConfig) flags(cmd *cobra.Command, force string) {
	c.readConfig.flags(cmd, "What to do", func(f *pflag.FlagSet) { f.BoolVar(&c.force, "force", false, force) })
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) { f.BoolVar(&c.json, "json", false, "print the summary as JSON") })
}

func NewUpload(a *cli.App) *cobra.Command {
	c := new(moveConfig)
	var volume cli.EBS
	cmd := &cobra.Command{
		Use:   "upload [flags] BUNDLE s3://BUCKET/DIR | ebs:",
		Short: "Copy a bundle to S3, but for the parts that are there already, or to EBS",
		Long: `Copy the bundle BUNDLE, a directory or a manifest, to s3://BUCKET/DIR. Each part is
checked when it is read, and by S3 when it is sent; the manifest comes last.

A part that is there already, with the same digest, is not sent again: an upload
that was interrupted goes on where it was, and a bundle of a machine that has
changed little sends little. With --base, a part that is one of an older bundle in S3 is
copied there. With --force, a bundle that is there is replaced; its
manifest goes first.

To ebs: it becomes a new EBS snapshot, from a directory or from S3: a bundle that was
made with --disk the disk of a machine, another one a volume. An upload that fails
deletes the snapshot, unless it was told to --resume.`,
		Example: `  purebundle upload /mnt/bundle s3://my-bucket/web-2026-11-22
  purebundle upload --limit-rate 5M --storage-class STANDARD_IA /mnt/bundle s3://my-bucket/web`,
		Args:              cli.ArgsBetween(2, 2, "BUNDLE and s3://BUCKET/DIR or ebs:"),
		RunE:              func(cmd *cobra.Command, args []string) error { return c.upload(cmd, a, args[0], args[1], &volume) },
		ValidArgsFunction: completeBundles(a, &c.s3),
	}
	c.flags(cmd, "replace another bundle of that name")
	cli.Group(cmd, "What to do", func(f *pflag.FlagSet) {
		f.StringVar(&c.base, "base", "", "copy within S3 what the older `BUNDLE` there has as well")
	})
	c.s3.WriteFlags(cmd)
	volume.Flags(cmd)
	cli.Group(cmd, cli.EBSGroup, func(f *pflag.FlagSet) {
		f.BoolVar(&c.s3.Resume, "resume", false, "go on with a snapshot that was cut: it stays if this run fails, too")
		volume.JournalFlag(f)
	})
	return cmd
}

// upload checks what the flags say of a copy of bundle in dest, and makes it.
func (c *moveConfig) upload(cmd *cobra.Command, a *cli.App, bundle, dest string, volume *cli.EBS) error {
	if err := cmp.Or(cli.CheckPlace(cmd.Name(), bundle), cli.CheckDest(cmd.Name(), dest)); err != nil {
		return err
	}
	if ebs.IsPlace(dest) {
		if err := cmp.Or(c.checkNewSnapshot(bundle, dest), c.s3.Check(cmd, bundle, dest), volume.Check(cmd.Name()), volume.CheckJournal(cmd.Name(), c.s3.Resume)); err != nil {
			return err
		}
		return uploadEBS(cmd.Context(), a, bundle, c, volume)
	}
	switch {
	case c.s3.Resume:
		return cli.WithHint(cli.Usagef("upload: --resume, and no ebs:"), "leave it out: an upload to S3 always goes on where one was cut")
	case ebs.IsPlace(bundle):
		return cli.WithHint(cli.Usagef("upload %s: is a snapshot", bundle), "\"purebundle download\" copies it to S3, too")
	case s3.IsURL(bundle):
		return cli.WithHint(cli.Usagef("upload %s: BUNDLE is in S3 already", bundle), "\"purebundle download\" fetches it")
	case !s3.IsURL(dest):
		return cli.WithHint(cli.Usagef("upload %s: no place in S3", dest), "a place in S3 is written s3://BUCKET/DIR, a new snapshot ebs:")
	case c.base != "" && !s3.IsURL(c.base):
		return cli.WithHint(cli.Usagef("upload: --base %s: no place in S3", c.base), "of a base parts are copied within S3; \"purebundle bundle --base\" takes directories")
	}
	if err := c.s3.Check(cmd, dest); err != nil { // flags about EBS
		return err
	}
	if err := c.s3.Valid(cmd.Name()); err != nil {
		return err
	}
	loc, err := s3.ParseLocation(dest)
	if err != nil {
		return &cli.UsageError{Err: err}
	}
	return upload(cmd.Context(), a, bundle, loc, c)
}

// checkNewSnapshot finds what does not go with a copy in EBS.
func (c *moveConfig) checkNewSnapshot(bundle, dest string) error {
	id, _ := ebs.ParsePlace(dest) // CheckDest has read it
	switch {
	case id != "":
		return cli.WithHint(cli.Usagef("upload %s: a snapshot that is there cannot be written to", dest), "ebs: makes a new one")
	case ebs.IsPlace(bundle):
		return cli.WithHint(cli.Usagef("upload %s: is a snapshot already", bundle), "aws ec2 copy-snapshot copies it")
	case c.base != "":
		return cli.WithHint(cli.Usagef("upload: --base, and ebs:"), "of a base parts are copied within S3")
	case c.force:
		return cli.WithHint(cli.Usagef("upload: --force, and ebs: is always a new snapshot"), "leave it out")
	}
	return nil
}

// Moved is what --json prints of an upload or a download: fields are added,
// never changed. Sizes are bytes.
type Moved struct {
	Source       chunk.Path `json:"source"`
	Dest         chunk.Path `json:"dest"`
	Prefix       string     `json:"prefix"`
	ImageSize    int64      `json:"image_size"`
	Parts        int        `json:"parts"`
	SkippedParts int        `json:"skipped_parts"`        // there already
	KeptParts    int        `json:"kept_parts,omitempty"` // copied within S3, of the base
	ZeroParts    int        `json:"zero_parts"`
	SentBytes    int64      `json:"sent_bytes,omitempty"`
	DiskBytes    int64      `json:"disk_bytes,omitempty"`
	Seconds      float64    `json:"seconds"`
}

func upload(ctx context.Context, a *cli.App, path string, loc s3.Location, c *moveConfig) error {
	began := time.Now()
	a.Confine(c.s3.Remote(ctx, confine.Rest{}))
	b, err := chunk.Load(path, c.prefix)
	if err != nil {
		return err
	}
	defer b.Close()
	store, err := c.s3.Open(ctx, a, loc)
	if err != nil {
		return err
	}
	show := moving(a, c.progress, b, progress.Uploading)
	defer show.Close()
	base, err := c.openBase(ctx, a)
	if err != nil {
		return err
	}
	if base != nil {
		defer base.Close()
	}
	stats, err := store.Upload(ctx, b, s3.UploadOptions{Force: c.force, Base: base, Done: show.made})
	show.Close()
	switch {
	case err != nil && show.Parts.Load() == 0:
		return err
	case err != nil:
		return &cli.LeftError{Err: err, Left: "what is in S3 by now stays: the same command goes on from there"}
	}
	m := b.Manifest()
	next := "purebundle verify" + c.s3.Again() + " " + words.Quote(cli.BundleURL(loc, m.Prefix))
	seconds := cli.Seconds(began)
	if c.json {
		return cli.PrintJSON(a.Stdout, Moved{Source: full(path), Dest: full(loc.String()), Prefix: m.Prefix, ImageSize: b.Size(), Parts: stats.Parts,
			SkippedParts: stats.Kept, KeptParts: stats.Taken, ZeroParts: stats.ZeroParts, SentBytes: stats.Bytes, Seconds: seconds})
	}
	if a.Quiet {
		return nil
	}
	copied := ""
	if base != nil {
		copied = fmt.Sprintf(", %s copied of %s", words.Count(int64(stats.Taken)), words.Printable(c.base))
	}
	return cli.PrintRows(a.Stdout, [][2]string{
		{"uploaded", fmt.Sprintf("%s of %s to %s", words.Plural(int64(stats.Parts), "part"), m.Prefix, words.Printable(loc.String()))},
		{"sent", fmt.Sprintf("%s, %s there already", words.Size(stats.Bytes), words.Plural(int64(stats.Kept), "part was", "parts were")) + copied},
		{"time", fmt.Sprintf("%s, %s", words.Seconds(seconds), words.Rate(float64(stats.Bytes)/max(seconds, 0.001)))},
		{"next", next},
	})
}

// openBase opens what --base names. One that is of no use is left, and a line says why.
func (c *moveConfig) openBase(ctx context.Context, a *cli.App) (*chunk.Bundle, error) {
	if c.base == "" {
		return nil, nil
	}
	store, prefix, err := inS3(ctx, a, c.base, "", &c.s3)
	if err != nil {
		return nil, err
	}
	if store, err = store.Home(ctx); err != nil {
		return nil, err
	}
	b, err := store.Load(ctx, prefix)
	switch {
	case err == nil:
		return b, nil
	case ctx.Err() != nil:
		return nil, err
	}
	a.ErrorLine(fmt.Sprintf("%s is not used as the base: %v", c.base, err))
	return nil, nil
}

// moving starts showing the parts of b on their way to S3 or from there.
func moving(a *cli.App, mode progress.Mode, b *chunk.Bundle, p progress.Phase) partsShown {
	show := showParts(a, mode, b, p)
	show.InParts()
	return show
}
