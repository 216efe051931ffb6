package create

import (
	"context"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk/ebs"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
)

// bundleLong is the text of "bundle --help".
const bundleLong = `Bundle the live tree SOURCE into an ext4 image, cut into parts of exactly 10 MiB
in DEST, a directory (made if missing), s3://BUCKET/DIR, or ebs:, a new snapshot:

  PREFIX.part.NNN        the image; cat PREFIX.part.* is the whole of it
  PREFIX.sha256          digests of the parts, for sha256sum -c
  PREFIX.manifest.json   what is in the image, what is not, and why

The parts appear only when all of them are good. SOURCE is only read. Of other
file systems below SOURCE, local disks are crossed; proc, sysfs and their binds
never are; "purebundle mounts" shows each decision. The contents of /dev, /proc,
/sys, /run, /tmp, /var/tmp, /mnt, /media and swap files are left out.

If SOURCE's root is no ext4, and with --disk, the image would not start as it is:
/etc/fstab and the kernel's command lines are edited, in the image alone. --dry-run
says how, --keep-files leaves them.

CLASSES of what an image should not carry: secrets (keys, credentials), histories
(of shells, editors), identity (machine-id, host keys, leases), logs. Each path is
reported. Private keys are known by their content, too: in homes they are left out,
elsewhere kept and told. No filter finds everything.

To S3 the parts go straight from SOURCE, with no disk in between: each is sent with
its SHA-256, which S3 checks. --resume walks SOURCE again and sends what S3 has not.

To ebs: the image goes straight into an EBS snapshot, with --disk the disk of a
machine, else a volume for data; "purebundle register" makes a machine image of it. A
run that fails deletes the snapshot.

With --disk the parts are a disk from which a machine starts as from SOURCE's, by the
same firmware: cat PREFIX.part.* > /dev/sdX. Its other partitions are merged into root
or left out, each with a warning; --size is that of the disk. A tree that is on no disk
gets a new one, with what it has of kernels and signed boot loaders: it starts by UEFI.
What an EFI system partition lacks to start a new machine is added to it. Meanwhile it is
judged whether a machine would start, as by "purebundle check"; if not, nothing is made.

PATTERN: * ? [] match within a name, ** across names. A pattern that starts with
"/" is anchored at SOURCE, any other matches a name anywhere. SIZE: 10GiB, 2G,
500M, bytes; units are binary.`

// bundleFlags are the flags of "purebundle bundle" that no other command has, and those
// that others share.
type bundleFlags struct {
	*Flags
	kind    string // DiskKind
	noCheck bool
	target  bootcheck.Target
}

// run does what "purebundle bundle" does.
func (c *bundleFlags) run(cmd *cobra.Command, a *cli.App, args []string) error {
	source, dest := "/", ""
	if len(args) > 0 {
		source = args[0]
	}
	if len(args) > 1 {
		dest = args[1]
	}
	if err := c.S3.Check(cmd, dest, c.base); err != nil {
		return err
	}
	if err := DiskKind(c.kind).Check(); err != nil {
		return err
	}
	opt, err := c.Options(source, dest)
	if err != nil {
		return err
	}
	if opt.Base != "" && DiskKind(c.kind) != NoDisk {
		if err := LikeBase(cmd.Context(), a, &opt); err != nil {
			return err
		}
	}
	if err := OpenDisk(&opt, DiskKind(c.kind)); err != nil {
		return err
	}
	if opt.Disk != nil && !c.noCheck {
		opt.CheckFor = c.target
		if ebs.IsPlace(dest) && !cmd.Flags().Changed("for") {
			opt.CheckFor = bootcheck.AWS
		}
	}
	defer opt.Disk.Close()
	if len(args) == 0 {
		return Ready(cmd.Context(), a, opt, c.Progress, func(r *Run) error { return r.First(cmd.Context(), firstLook, again(cmd)) })
	}
	return bundle(cmd.Context(), a, opt, c.Progress)
}

// New returns "purebundle bundle".
func New(a *cli.App) *cobra.Command {
	c := &bundleFlags{Flags: NewFlags(), kind: string(NoDisk)}
	cmd := &cobra.Command{
		Use:   "bundle [flags] SOURCE DEST",
		Short: "Make an ext4 image of SOURCE, in parts, in DEST: a directory, S3 or EBS",
		Long:  bundleLong,
		Example: `  sudo purebundle bundle                    # says what / would become, and what to type
  sudo purebundle bundle / /mnt/bundle
  sudo purebundle bundle / s3://my-bucket/web-2026-11-22
  sudo purebundle bundle --disk / ebs:
  sudo purebundle bundle --dry-run /
  sudo purebundle bundle -p web -s 10G -e '/var/cache/**' -e '*.iso' / /mnt/bundle
  purebundle bundle --time @1700000000 --uuid 1b4e28ba-2fa1-11d2-883f-0016d3cca427 tree out`,
		Args: func(cmd *cobra.Command, args []string) error {
			least := 2
			if c.DryRun {
				least = 1
			}
			if len(args) == 0 && os.Geteuid() == 0 && c.Progress != progress.JSON && !c.JSON {
				return nil // says what to type: First
			}
			return cli.ArgsBetween(least, 2, "SOURCE and DEST")(cmd, args)
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return c.run(cmd, a, args) },
		ValidArgsFunction: cli.CompleteDirectories,
	}
	c.ContentFlags(cmd)
	c.ImageFlags(cmd)
	cli.Group(cmd, "The image", func(f *pflag.FlagSet) {
		f.StringVar(&c.kind, "disk", c.kind, "make the disk that SOURCE's root lies on: boot code, partition table, EFI and BIOS boot partitions, /boot if it is one, and root as the last. Where SOURCE is on no disk (a chroot, a container), and with --disk=`fresh`, a new one that starts by UEFI")
		f.Lookup("disk").NoOptDefVal = string(AutoDisk)
		TargetFlag(f, &c.target)
		f.BoolVar(&c.noCheck, "no-check", false, "with --disk, do not look whether a machine would start from it (see \"purebundle check\")")
	})
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		c.OutputFlags(f)
		c.BaseFlags(f)
		cli.TrustFlag(f, &c.TrustDest)
		f.BoolVarP(&c.DryRun, "dry-run", "n", false, "say what would happen; write nothing")
		cli.ProgressFlag(f, &c.Progress)
		f.BoolVar(&c.JSON, "json", false, "print the summary as JSON")
	})
	c.S3.WriteFlags(cmd)
	c.S3.ResumeFlag(cmd)
	c.EBS.Flags(cmd)
	cli.Group(cmd, cli.EBSGroup, c.EBS.JournalFlag)
	cli.CompleteProgress(cmd)
	return cmd
}

// bundle makes one bundle, or with --dry-run only says what it would be.
func bundle(ctx context.Context, a *cli.App, opt Options, mode progress.Mode) error {
	return Ready(ctx, a, opt, mode, func(r *Run) error {
		if opt.DryRun {
			return r.DryRun(ctx)
		}
		return r.run(ctx)
	})
}

// Ready looks at SOURCE and DEST, gives up what power is not needed, and calls work.
func Ready(ctx context.Context, a *cli.App, opt Options, mode progress.Mode, work func(*Run) error) error {
	if err := CheckSource("bundle", opt.Source); err != nil {
		return err
	}
	if err := CheckDest(opt.Source, opt.Dest); err != nil {
		return err
	}
	// Patterns, --cross and SOURCE's own mount are checked before DEST is touched.
	var err error
	if opt.Mounts, err = walker.NewPlan(opt.Source, opt.Walk); err != nil {
		return err
	}
	defer opt.Mounts.Close()
	r := &Run{App: a, Opt: opt, UI: a.Show(mode)}
	defer r.UI.Close()
	if name := strangerInDest(opt.Source, opt.Dest); name != "" {
		r.UI.Warn(opt.Dest, "holds other files, such as "+name+"; nothing that is in DEST is in the image")
	}
	if err := r.beginCheck(); err != nil {
		return err
	}
	defer r.endCheck()
	if err := r.OpenBase(ctx); err != nil {
		return err
	}
	defer r.CloseBase()
	r.Confine(r.Power(ctx))
	return work(r)
}
