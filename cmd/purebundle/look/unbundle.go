package look

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/chunk/wrap"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

func NewUnbundle(a *cli.App) *cobra.Command {
	var cfg readConfig
	var opt chunk.JoinOptions
	format := wrap.Raw().Name
	cmd := &cobra.Command{
		Use:   "unbundle [flags] BUNDLE IMAGE",
		Short: "Join the parts into IMAGE, checking digests on the way",
		Long: `Join the parts of BUNDLE into the image file (or block device) IMAGE. Each
digest is checked on the way; IMAGE appears only when all of them are right, and
takes disk for what is not zero only. IMAGE - is standard output, which gets each
part when it has been checked: if the status is not 0, it had a beginning only.

FORMAT is raw, the image as it is; vhd, a fixed VHD for Azure; qcow2, for QEMU,
OpenStack and Proxmox; or gcp, disk.raw in a tar.gz for Google. Of a bundle that was
made with --disk they start a machine.

BUNDLE is the directory of a bundle, or its manifest; either may be in S3. It may also
be a snapshot of EBS, ebs:snap-….`,
		Example: `  purebundle unbundle /mnt/bundle root.img
  purebundle unbundle s3://my-bucket/web-2026-11-22 root.img
  purebundle unbundle --force /mnt/bundle /dev/sdX
  purebundle unbundle /mnt/bundle - | ssh host 'cat > /dev/sdX'`,
		Args: cli.ArgsBetween(2, 2, "BUNDLE and IMAGE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cfg.s3.Check(cmd, args[0]); err != nil {
				return err
			}
			if err := cli.CheckLocal(args[1]); err != nil {
				return cli.Usagef("%s %s: IMAGE %w", cmd.Name(), args[1], err)
			}
			if args[1] == stdout && cli.IsTerminal(a.Stdout) {
				return cli.WithHint(cli.Usagef("unbundle -: standard output is a terminal"), "send it to a file or a pipe, or name an IMAGE")
			}
			var err error
			if opt.Format, err = wrap.ByName(format); err != nil {
				return cli.WithHint(&cli.UsageError{Err: fmt.Errorf("unbundle: --format: %w", err)}, "without --format it is the image itself; other formats are made of that by qemu-img convert")
			}
			return unbundle(cmd.Context(), a, args[0], args[1], cfg, opt)
		},
		ValidArgsFunction: completeBundles(a, &cfg.s3),
	}
	cfg.flags(cmd, "What to do", func(f *pflag.FlagSet) {
		f.BoolVar(&opt.Force, "force", false, "replace an existing IMAGE, or write to a block device")
		f.StringVar(&format, "format", format, "of IMAGE: `FORMAT`, one of "+strings.Join(wrap.Names(), ", "))
		cli.TrustFlag(f, &opt.Trusted)
	})
	cfg.s3.ReadFlags(cmd)
	return cmd
}

// stdout is the name of standard output as an IMAGE.
const stdout = "-"

func unbundle(ctx context.Context, a *cli.App, path, image string, cfg readConfig, opt chunk.JoinOptions) error {
	a.Confine(joining(cfg.s3.Reading(ctx, path), image))
	b, err := OpenBundle(ctx, a, path, cfg.prefix, &cfg.s3)
	if ebs.IsPlace(path) && errors.Is(err, chunk.ErrNoBundle) {
		return joinSnapshot(ctx, a, path, image, cfg, opt)
	}
	if err != nil {
		return err
	}
	defer b.Close()
	show := showParts(a, cfg.progress, b, progress.Reading)
	defer show.Close()
	opt.Workers, opt.Done = workers(&cfg.s3, path), show.made
	if image == stdout {
		err = b.Stream(ctx, a.Stdout, opt)
	} else {
		err = b.Join(ctx, image, opt)
	}
	show.Close()
	if space, full := errors.AsType[*chunk.SpaceError](err); full {
		return cli.WithHint(err, "free %s there, or let IMAGE be on another file system", words.Size(space.Need-space.Have))
	}
	if err != nil {
		return Damaged(a, path, err)
	}
	if a.Quiet {
		return nil
	}
	joined := func(into string) [][2]string {
		return [][2]string{{"joined", fmt.Sprintf("%s into %s, %s", words.Plural(int64(len(b.Manifest().Parts)), "part"), into, words.Size(b.Size()))}}
	}
	if image == stdout {
		return cli.PrintRows(a.Stderr, joined("standard output"))
	}
	rows := joined(words.Printable(image))
	if next := next(b.Manifest(), opt.Format, image); next != "" {
		rows = append(rows, [2]string{"next", next})
	}
	return cli.PrintRows(a.Stdout, rows)
}

// next returns what to type to use an image, "" if that is not one command.
func next(m *chunk.Manifest, format *wrap.Format, image string) string {
	switch {
	case format.Name != wrap.Raw().Name:
		return ""
	case m.Disk == nil:
		return "mount -o loop " + words.Quote(image) + " /mnt"
	}
	for _, p := range m.Disk.Partitions {
		if p.Root {
			return fmt.Sprintf("mount -o loop,offset=%d %s /mnt", p.Start, words.Quote(image))
		}
	}
	return ""
}

// joining returns rest with what it takes to write IMAGE: the directory that it is
// made in, or the device.
func joining(rest confine.Rest, image string) confine.Rest {
	if image == stdout {
		return rest
	}
	place := filepath.Dir(image)
	if info, err := os.Stat(image); err == nil {
		if info.Mode()&os.ModeDevice != 0 {
			place = image
		} else if real, err := filepath.EvalSymlinks(image); err == nil {
			place = filepath.Dir(real)
		}
	}
	rest.Write = []string{place}
	rest.Capabilities = append(rest.Capabilities, confine.ForWriting(place)...)
	return rest
}
