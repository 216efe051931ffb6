package ship

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ec2/ami"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/contents"
	"purebundle/cmd/purebundle/look"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// diskGroup is the heading of the flags below.
const diskGroup = "The image of a disk, in EBS"

// diskOptions holds what the flags about an image whose disk is in EBS say.
type diskOptions struct {
	size     cli.Size
	imds     string
	bootMode string
	tpm      bool
	volume   cli.EBS
}

func (c *diskOptions) flags(f *pflag.FlagSet) {
	f.Var(&c.size, "volume-size", "`SIZE` of the root volume, whole GiB (default: that of the disk)")
	f.StringVar(&c.imds, "imds", "v2.0", "metadata service: `v2.0`, with tokens alone, or optional")
	f.StringVar(&c.bootMode, "boot-mode", "", "`MODE`: "+strings.Join(ami.BootModes, ", ")+" (default: what the disk has boot loaders for)")
	f.BoolVar(&c.tpm, "tpm", false, "machines have a TPM 2.0; needs boot mode uefi")
	f.StringVar(&c.volume.KMSKey, "kms-key-id", "", "`ARN` of the KMS key to encrypt the snapshot of a bundle with (default: the account's)")
	f.BoolVar(&c.volume.Encrypt, "encrypt", false, "encrypt the snapshot of a bundle (default: as the account does)")
}

// check checks the values.
func (c *diskOptions) check(name string) error {
	switch {
	case c.imds != "v2.0" && c.imds != "optional":
		return cli.Usagef("%s: --imds %s: neither v2.0 nor optional", name, c.imds)
	case c.bootMode != "" && !slices.Contains(ami.BootModes, c.bootMode):
		return cli.WithHint(cli.Usagef("%s: --boot-mode %s: unknown", name, c.bootMode), "choose one of %s", strings.Join(ami.BootModes, ", "))
	case int64(c.size)%(1<<30) != 0:
		return cli.Usagef("%s: --volume-size %s: no whole GiB", name, &c.size)
	}
	return c.volume.Check(name)
}

// foreseen returns what to ask of EC2 for a disk that is not made yet, to learn whether it
// may be: of any processor and boot mode, if they are not given.
func (c *diskOptions) foreseen(image *imageOptions, tags map[string]string) (ami.Input, error) {
	in, err := image.input("", image.name, tags)
	if err != nil {
		return in, err
	}
	in.Arch = cmp.Or(image.arch, "x86_64")
	in.Root = &ami.Root{Snapshot: noSnapshot, Device: "/dev/xvda", Size: int32(c.size >> 30), BootMode: cmp.Or(c.bootMode, "uefi"), IMDSv1: c.imds == "optional", TPM: c.tpm}
	if err := ami.Check(in); err != nil {
		return in, &cli.UsageError{Err: err}
	}
	return in, nil
}

// input returns what to ask of EC2 for a disk of size bytes with these contents.
func (c *diskOptions) input(image *imageOptions, found *contents.Contents, size int64, tags map[string]string) (in ami.Input, os string, err error) {
	m, err := found.Machine()
	if err != nil {
		return in, "", cli.WithHint(err, "\"purebundle bundle --disk\" makes the disk of a machine")
	}
	if in, err = image.input("", image.name, tags); err != nil {
		return in, "", err
	}
	in.Arch = cmp.Or(image.arch, m.Arch)
	in.Root = &ami.Root{Device: "/dev/xvda", Size: int32(c.size >> 30), BootMode: cmp.Or(c.bootMode, bootMode(m)), IMDSv1: c.imds == "optional", TPM: c.tpm}
	if slices.Contains(sda1, m.OS) {
		in.Root.Device = "/dev/sda1"
	}
	if least := (size + 1<<30 - 1) >> 30; c.size > 0 && int64(in.Root.Size) < least {
		return in, "", cli.WithHint(cli.Usagef("register: --volume-size %s: smaller than the disk", &c.size), "it has %d GiB", least)
	}
	return in, m.OS, nil
}

// sda1 lists the systems whose images call their root device so.
var sda1 = []string{"ubuntu", "rhel", "centos", "rocky", "almalinux", "fedora", "sles"}

// bootMode returns how machines start from a disk.
func bootMode(m contents.Machine) string {
	switch {
	case !m.UEFI:
		return "legacy-bios"
	case m.BIOS && m.Arch != "arm64":
		return "uefi-preferred"
	}
	return "uefi"
}

// billed lists the systems that are paid for by codes of images.
var billed = []string{"rhel", "sles"}

// disk is a snapshot, or the bundle of a disk.
type disk interface {
	contents.Reader
	Size() int64
	Close() error
}

// openDisk opens what from names. id is that of a snapshot; "" for a bundle.
func openDisk(ctx context.Context, a *cli.App, client *ebs.Client, from, prefix string, place *cli.S3) (d disk, id string, err error) {
	if !ebs.IsPlace(from) {
		d, err = look.OpenBundle(ctx, a, from, prefix, place)
		return d, "", err
	}
	if id, err = ebs.ParsePlace(from); err != nil {
		return nil, "", &cli.UsageError{Err: err}
	}
	d, err = client.Open(ctx, id)
	return d, id, err
}

// registerDisk makes a machine image of a snapshot, or of a bundle of a disk, which
// becomes a snapshot first. Before anything is made, EC2 is asked whether the image may be.
func registerDisk(ctx context.Context, a *cli.App, from, prefix string, c *imageOptions, o *diskOptions, place *cli.S3, tags map[string]string, dryRun bool) error {
	a.Confine(place.Reading(ctx, ebs.Scheme))
	client, err := place.EBS(ctx, a)
	if err != nil {
		return err
	}
	cfg, err := c.connect(ctx, a, place)
	if err != nil {
		return err
	}
	d, id, err := openDisk(ctx, a, client, from, prefix, place)
	if err != nil {
		return err
	}
	defer d.Close()
	in, err := o.judge(a, c, from, d, tags)
	if err != nil {
		return err
	}
	if err := allowed(ctx, cfg, in, id); err != nil {
		return err
	}
	if dryRun {
		if a.Quiet {
			return nil
		}
		_, err = fmt.Fprintf(a.Stdout, "would register: %s as %s, %s, %s; EC2 would allow it\n", words.Printable(from), words.Printable(in.Name), in.Arch, in.Root.BootMode)
		return err
	}
	show := a.Show(onTerminal(a, progress.Auto))
	defer show.Close()
	bundle, ok := d.(*chunk.Bundle)
	if ok {
		show.AllBytes.Store(bundle.Size())
		show.InParts()
		show.Begin(progress.Uploading)
		w, err := look.ToEBS(ctx, a, bundle, client, &o.volume, tags, nil, func(int) { show.Bytes.Add(chunk.Size) })
		if err != nil {
			return err
		}
		id = w.ID()
	}
	in.Root.Snapshot = id
	show.Begin(progress.Finishing)
	image, err := c.register(ctx, a, cfg, in)
	show.Close()
	if err != nil {
		if ok && image == "" {
			err = snapshotLeft(err, id, in.Name, place)
		}
		return err
	}
	_, err = fmt.Fprintln(a.Stdout, image)
	return err
}

// snapshotLeft adds to an error that the snapshot is complete, and what makes an image of it.
func snapshotLeft(err error, id, name string, place *cli.S3) error {
	return cli.AddHint(&cli.LeftError{Err: err, Left: "the snapshot is complete: " + ebs.Scheme + id},
		"once that is put right: purebundle register%s --name %s %s%s", place.Again(), words.Quote(name), ebs.Scheme, id)
}

// judge reads what the disk is, and returns what to ask of EC2 for it.
func (c *diskOptions) judge(a *cli.App, image *imageOptions, from string, d disk, tags map[string]string) (ami.Input, error) {
	found, err := contents.Of(d, d.Size())
	if err != nil {
		return ami.Input{}, fmt.Errorf("register %s: %w", from, err)
	}
	in, system, err := c.input(image, found, d.Size(), tags)
	if err != nil {
		if cli.HintFor(err) != "" {
			return in, err
		}
		return in, fmt.Errorf("register %s: %w", from, err)
	}
	if slices.Contains(billed, system) && !a.Quiet {
		a.Say("warning: " + system + " is paid for by a billing code of the image it came from, and that does not come along: have a subscription of one's own")
	}
	return in, nil
}

// allowed asks EC2 whether the image may be made; id is "" if its snapshot is not there
// yet.
func allowed(ctx context.Context, cfg aws.Config, in ami.Input, id string) error {
	root := *in.Root
	root.Snapshot = cmp.Or(id, noSnapshot)
	in.Root, in.DryRun = &root, true
	if err := ami.Check(in); err != nil {
		return &cli.UsageError{Err: err}
	}
	if _, err := ami.Register(ctx, cfg, in); err != nil && !(id == "" && awsapi.HasCode(err, "InvalidSnapshot.NotFound")) {
		return err
	}
	return nil
}

// noSnapshot stands for a snapshot that is not made yet.
const noSnapshot = "snap-00000000000000000"

// isDisk says whether a place in S3 has a bundle of a disk, and none in Amazon's format
// of that name.
func isDisk(ctx context.Context, a *cli.App, url, prefix string, place *cli.S3) (bool, error) {
	b, err := look.OpenBundle(ctx, a, url, prefix, place)
	switch {
	case errors.Is(err, chunk.ErrNoBundle):
		return false, nil
	case err != nil:
		return false, err
	}
	defer b.Close()
	return b.Manifest().Disk != nil, nil
}
