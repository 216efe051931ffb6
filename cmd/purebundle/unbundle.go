package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
)

func newUnbundle(a *app) *cobra.Command {
	cfg := readConfig{progress: progressAuto}
	var force bool
	cmd := &cobra.Command{
		Use:   "unbundle [flags] BUNDLE IMAGE",
		Short: "Join the parts into IMAGE, checking digests on the way",
		Long: `Join the parts of BUNDLE into the image file (or block device) IMAGE. Each
digest is checked on the way; IMAGE appears only when all of them are right, and
takes disk for what is not zero only.

BUNDLE is the directory of a bundle, or its manifest; either may be in S3.`,
		Example: `  purebundle unbundle /mnt/bundle root.img
  purebundle unbundle s3://my-bucket/web-2026-11-22 root.img
  purebundle unbundle --force /mnt/bundle /dev/sdX`,
		Args: argsBetween(2, 2, "BUNDLE and IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cfg.s3.check(cmd, args[0]); err != nil {
				return err
			}
			return unbundle(cmd.Context(), a, args[0], args[1], cfg, force)
		},
		ValidArgsFunction: a.completeBundles(&cfg.s3),
	}
	group(cmd, "What to do", func(f *pflag.FlagSet) {
		f.BoolVar(&force, "force", false, "replace an existing IMAGE, or write to a block device")
		f.StringVarP(&cfg.prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
	})
	group(cmd, "The output", func(f *pflag.FlagSet) {
		progressFlag(f, &cfg.progress)
	})
	cfg.s3.readFlags(cmd)
	completeProgress(cmd)
	return cmd
}

func unbundle(ctx context.Context, a *app, path, image string, cfg readConfig, force bool) error {
	b, err := a.openBundle(ctx, path, cfg.prefix, &cfg.s3)
	if err != nil {
		return err
	}
	defer b.Close()
	show := a.progress(cfg.progress, b, reading)
	defer show.close()
	err = b.Join(ctx, image, chunk.JoinOptions{Force: force, Workers: cfg.s3.workers(path), Done: show.made})
	show.close()
	if err != nil {
		return damaged(a, path, err)
	}
	if a.quiet {
		return nil
	}
	return printRows(a.stdout, [][2]string{
		{"joined", fmt.Sprintf("%s into %s, %s", plural(int64(len(b.Manifest().Parts)), "part"), printable(image), formatSize(b.Size()))},
		{"next", "mount -o loop " + shellQuote(image) + " /mnt"},
	})
}
