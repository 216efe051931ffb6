package look

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/cli"
)

func NewCat(a *cli.App) *cobra.Command {
	var prefix string
	var place cli.S3
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
		Args: cli.ArgsBetween(2, 1<<20, "BUNDLE and PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := place.Check(cmd, args[0]); err != nil {
				return err
			}
			fs, err := openInside(cmd.Context(), a, args[0], prefix, &place)
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
		ValidArgsFunction: completeInside(a, &place),
	}
	cli.Group(cmd, "What to print", func(f *pflag.FlagSet) {
		f.StringVarP(&prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
	})
	place.ReadFlags(cmd)
	return cmd
}

func cat(a *cli.App, fs *inside, name string) error {
	n, err := fs.Resolve(name)
	if err != nil {
		return lacks(fmt.Errorf("cat %w", err))
	}
	if !n.IsRegular() {
		return cli.WithHint(fmt.Errorf("cat %s: not a regular file", name), "\"purebundle ls -l\" shows what it is")
	}
	file, err := n.FS.File(n.Inode)
	if err == nil {
		_, err = file.WriteTo(a.Stdout)
	}
	if err != nil {
		return fmt.Errorf("cat %s: %w", name, err)
	}
	return nil
}
