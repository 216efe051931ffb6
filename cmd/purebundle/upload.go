package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/s3"
)

// uploadConfig is what the flags of "upload" say.
type uploadConfig struct {
	readConfig
	force, json bool
}

func newUpload(a *app) *cobra.Command {
	c := &uploadConfig{readConfig: readConfig{progress: progressAuto}}
	cmd := &cobra.Command{
		Use:   "upload [flags] BUNDLE s3://BUCKET/DIR",
		Short: "Copy a bundle to S3, but for the parts that are there already",
		Long: `Copy the bundle BUNDLE, a directory or a manifest, to s3://BUCKET/DIR. Each part is
checked when it is read, and by S3 when it is sent; the manifest comes last.

A part that is there already, with the same digest, is not sent again: an upload
that was interrupted goes on where it was, and a bundle of a machine that has
changed little sends little. With --force, a bundle that is there is replaced; its
manifest goes first.`,
		Example: `  purebundle upload /mnt/bundle s3://my-bucket/web-2026-11-22
  purebundle upload --limit-rate 5M --storage-class STANDARD_IA /mnt/bundle s3://my-bucket/web`,
		Args: argsBetween(2, 2, "BUNDLE and s3://BUCKET/DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case s3.IsURL(args[0]):
				return withHint(usagef("upload %s: BUNDLE is in S3 already", args[0]), "\"purebundle download\" fetches it")
			case !s3.IsURL(args[1]):
				return withHint(usagef("upload %s: no place in S3", args[1]), "a place in S3 is written s3://BUCKET/DIR")
			}
			if err := c.s3.valid(cmd.Name()); err != nil {
				return err
			}
			loc, err := s3.ParseLocation(args[1])
			if err != nil {
				return &usageError{err}
			}
			return upload(cmd.Context(), a, args[0], loc, c)
		},
		ValidArgsFunction: a.completeBundles(&c.s3),
	}
	group(cmd, "What to do", func(f *pflag.FlagSet) {
		f.StringVarP(&c.prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
		f.BoolVar(&c.force, "force", false, "replace another bundle of that name")
	})
	group(cmd, "The output", func(f *pflag.FlagSet) {
		progressFlag(f, &c.progress)
		f.BoolVar(&c.json, "json", false, "print the summary as JSON")
	})
	c.s3.writeFlags(cmd)
	completeProgress(cmd)
	return cmd
}

// movedJSON is what --json prints of an upload or a download: fields are added,
// never changed. Sizes are bytes.
type movedJSON struct {
	Source       string  `json:"source"`
	Dest         string  `json:"dest"`
	Prefix       string  `json:"prefix"`
	ImageSize    int64   `json:"image_size"`
	Parts        int     `json:"parts"`
	SkippedParts int     `json:"skipped_parts"` // there already
	ZeroParts    int     `json:"zero_parts,omitempty"`
	SentBytes    int64   `json:"sent_bytes,omitempty"`
	DiskBytes    int64   `json:"disk_bytes,omitempty"`
	Seconds      float64 `json:"seconds"`
}

func upload(ctx context.Context, a *app, path string, loc s3.Location, c *uploadConfig) error {
	began := time.Now()
	a.jsonErrors = c.progress == progressJSON
	b, err := chunk.Load(path, c.prefix)
	if err != nil {
		return err
	}
	defer b.Close()
	store, err := c.s3.open(ctx, a, loc)
	if err != nil {
		return err
	}
	show := a.moving(c.progress, b, uploading)
	defer show.close()
	stats, err := store.Upload(ctx, b, s3.UploadOptions{Force: c.force, Done: show.made})
	show.close()
	switch {
	case errors.Is(err, chunk.ErrExists):
		return withHint(err, "--force replaces it; its manifest goes first")
	case err != nil && show.parts.Load() == 0:
		return err
	case err != nil:
		return &leftError{err: err, left: "what is in S3 by now stays: the same command goes on from there"}
	}
	m := b.Manifest()
	next := "purebundle verify" + c.s3.again() + " " + shellQuote(bundleURL(loc, m.Prefix))
	seconds := time.Since(began).Seconds()
	if c.json {
		return printJSON(a.stdout, movedJSON{Source: path, Dest: loc.String(), Prefix: m.Prefix, ImageSize: b.Size(), Parts: stats.Parts,
			SkippedParts: stats.Skipped, SentBytes: stats.Bytes, Seconds: seconds})
	}
	if a.quiet {
		return nil
	}
	return printRows(a.stdout, [][2]string{
		{"uploaded", fmt.Sprintf("%s of %s to %s", plural(int64(stats.Parts), "part"), m.Prefix, printable(loc.String()))},
		{"sent", fmt.Sprintf("%s, %s there already", formatSize(stats.Bytes), plural(int64(stats.Skipped), "part was", "parts were"))},
		{"time", fmt.Sprintf("%s, %s", formatSeconds(seconds), formatRate(float64(stats.Bytes)/max(seconds, 0.001)))},
		{"next", next},
	})
}

// moving starts showing the parts of b on their way to S3 or from there.
func (a *app) moving(mode progressMode, b *chunk.Bundle, p phase) readProgress {
	show := a.progress(mode, b, p)
	show.inParts()
	return show
}
