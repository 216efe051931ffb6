package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newCat(a *app) *cobra.Command {
	var prefix string
	var place s3Config
	cmd := &cobra.Command{
		Use:   "cat [flags] BUNDLE PATH...",
		Short: "Print files of the image, without joining it",
		Long: `Print the files PATH of the image in BUNDLE, one after another. Nothing is joined
or mounted, and root is not needed; the digest of each part that is read is
checked. Symlinks are followed inside the image. Of a bundle in S3, only the parts
that the files lie in are fetched.`,
		Example: `  purebundle cat /mnt/bundle /etc/fstab
  purebundle cat /mnt/bundle /var/log/syslog | grep error
  purebundle cat s3://my-bucket/web-2026-11-22 /etc/passwd`,
		Args: argsBetween(2, 1<<20, "BUNDLE and PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := place.check(cmd, args[0]); err != nil {
				return err
			}
			fs, err := a.openInside(cmd.Context(), args[0], prefix, &place)
			if err != nil {
				return err
			}
			defer fs.close()
			for _, name := range args[1:] {
				if err := cat(a, fs, name); err != nil {
					return err
				}
			}
			return nil
		},
		ValidArgsFunction: a.completeInside(&place),
	}
	group(cmd, "What to print", func(f *pflag.FlagSet) {
		f.StringVarP(&prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
	})
	place.readFlags(cmd)
	return cmd
}

func cat(a *app, fs *inside, name string) error {
	n, err := fs.Resolve(name)
	if err != nil {
		return fmt.Errorf("cat %w", err)
	}
	if !n.IsRegular() {
		return withHint(fmt.Errorf("cat %s: not a regular file", name), "\"purebundle ls -l\" shows what it is")
	}
	file, err := fs.File(n)
	if err == nil {
		_, err = file.WriteTo(a.stdout)
	}
	if err != nil {
		return fmt.Errorf("cat %s: %w", name, err)
	}
	return nil
}
