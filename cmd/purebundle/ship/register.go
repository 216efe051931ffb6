package ship

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ec2"
	"purebundle/chunk/ec2/ami"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/ec2tools"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// imageOptions holds what the flags about a machine image say.
type imageOptions struct {
	name, description, arch, kernel, ramdisk, virtualization string
	devices                                                  []string
	endpoint                                                 string // of EC2
	noWait                                                   bool
}

func (c *imageOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&c.description, "description", "", "`TEXT` about the image")
	f.StringVar(&c.arch, "architecture", "", "`ARCH`: i386, x86_64 or, with a disk in EBS, arm64 (default: that of the disk, or in the manifest)")
	f.StringArrayVar(&c.devices, "block-device-mapping", nil, "`DEVICE=WHAT` of machines that start from it, as in /dev/sdb=ephemeral0 or /dev/sdc=:100; repeatable")
	f.BoolVar(&c.noWait, "no-wait", false, "do not wait until the image is available")
	f.StringVar(&c.endpoint, "ec2-endpoint-url", "", "`URL` of a server that speaks EC2 (default: $AWS_ENDPOINT_URL_EC2, else Amazon's)")
}

// storeFlags are those of instance-store images alone.
func (c *imageOptions) storeFlags(f *pflag.FlagSet) {
	f.StringVar(&c.kernel, "kernel", "", "`ID` of the kernel image, aki-… (default: that in the manifest)")
	f.StringVar(&c.ramdisk, "ramdisk", "", "`ID` of the RAM disk image, ari-… (default: that in the manifest)")
	f.StringVar(&c.virtualization, "virtualization-type", "", "`TYPE`: paravirtual or hvm (default paravirtual)")
}

// input returns what to ask of EC2, checked as far as that needs no request.
func (c *imageOptions) input(location, name string, tags map[string]string) (ami.Input, error) {
	in := ami.Input{Location: location, Name: name, Description: c.description, Arch: c.arch, Kernel: c.kernel, Ramdisk: c.ramdisk,
		Virtualization: c.virtualization, Tags: tags}
	for _, text := range c.devices {
		d, err := ami.ParseDevice(text)
		if err != nil {
			return in, &cli.UsageError{Err: err}
		}
		in.Devices = append(in.Devices, d)
	}
	if location == "" { // its disk is in EBS, and checked when that is known
		return in, nil
	}
	if err := ami.Check(in); err != nil {
		return in, &cli.UsageError{Err: err}
	}
	return in, nil
}

// connect finds what EC2 is reached with. --endpoint-url is S3's.
func (c *imageOptions) connect(ctx context.Context, a *cli.App, place *cli.S3) (aws.Config, error) {
	opt := place.Shared(a)
	opt.Endpoint = c.endpoint
	return awsapi.Load(ctx, opt)
}

func NewRegister(a *cli.App) *cobra.Command {
	c := &imageOptions{}
	var place cli.S3
	var tags cli.Tags
	var prefix string
	var dryRun bool
	d := &diskOptions{}
	cmd := &cobra.Command{
		Use:   "register [flags] --name NAME ebs:SNAPSHOT | BUNDLE | s3://BUCKET/DIR",
		Short: "Make a machine image (AMI) of a snapshot or of a bundle",
		Long: `Make a machine image and wait until it is available; its id is printed.

Of a snapshot, ebs:snap-…, whoever made it, or of a bundle that was made with --disk,
which becomes a snapshot first, the image's root volume is in EBS: of type gp3, with
the architecture and the boot mode that the disk itself tells.

Of a bundle in Amazon's format at s3://BUCKET/DIR it is an instance-store image. Before
that, the manifest is read and all parts are looked for.

"purebundle ec2 bundle-vol" makes the latter and "purebundle ec2 upload-bundle"
brings them to S3; "purebundle ship --register" does all of it.`,
		Example: `  purebundle register --name web-2026-11-22 ebs:snap-0123456789abcdef0
  purebundle register --name web-2026-11-22 --volume-size 20G /mnt/bundle
  purebundle register --name web-2026-11-22 s3://my-bucket/web-2026-11-22
  purebundle register --name web -b /dev/sdb=ephemeral0 --tag a=b s3://my-bucket/web`,
		Args: cli.ArgsBetween(1, 1, "a snapshot or a bundle"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cli.CheckPlace(cmd.Name(), args[0]); err != nil {
				return err
			}
			if err := cmp.Or(place.Valid(cmd.Name()), d.check(cmd.Name())); err != nil {
				return err
			}
			if c.name == "" {
				return needName()
			}
			if args[0] == ebs.Scheme {
				return cli.WithHint(cli.Usagef("register %s: no snapshot", args[0]), "write it as in ebs:snap-0123456789abcdef0")
			}
			disk := !s3.IsURL(args[0])
			if !disk && !strings.HasSuffix(args[0], ec2.ManifestName("")) {
				var err error
				if disk, err = isDisk(cmd.Context(), a, args[0], prefix, &place); err != nil {
					return err
				}
			}
			if disk {
				return registerDisk(cmd.Context(), a, args[0], prefix, c, d, &place, tags.Values, dryRun)
			}
			if err := onlyDisk(cmd); err != nil {
				return err
			}
			return register(cmd.Context(), a, args[0], prefix, c, &place, tags.Values, dryRun)
		},
	}
	cli.Group(cmd, "The image", func(f *pflag.FlagSet) {
		f.StringVar(&c.name, "name", "", "`NAME` of the image: one of a kind in the account and region")
		f.StringVarP(&prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
		c.flags(f)
		c.storeFlags(f)
		f.Var(&tags, "tag", "tag the image with `K=V`; repeatable")
		f.BoolVarP(&dryRun, "dry-run", "n", false, "ask EC2 whether it would be allowed; register nothing")
	})
	cli.Group(cmd, diskGroup, d.flags)
	place.ReadFlags(cmd)
	return cmd
}

// needName returns the error of an image without a name.
func needName() error {
	return cli.WithHint(cli.Usagef("--name is needed"), "an image has a name that is one of a kind in the account and region, such as --name web-2026-11-22")
}

// onlyDisk refuses flags about the image of a disk.
func onlyDisk(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && cli.GroupOf(f) == diskGroup {
			err = cli.WithHint(cli.Usagef("%s: --%s is about the image of a disk, and this is a bundle in Amazon's format", cmd.Name(), f.Name), "leave it out")
		}
	})
	return err
}

func register(ctx context.Context, a *cli.App, url, prefix string, c *imageOptions, place *cli.S3, tags map[string]string, dryRun bool) error {
	loc, prefix, err := parseXMLBundle(url, prefix)
	if err != nil {
		return err
	}
	name := prefix
	if name == "" {
		name = "image" // for the check alone
	}
	in, err := c.input(imageLocation(loc, name), c.name, tags)
	if err != nil {
		return err
	}
	a.Confine(place.Remote(ctx, confine.Rest{}))
	store, err := place.Open(ctx, a, loc)
	if err != nil {
		return err
	}
	if prefix, err = wholeInS3(ctx, store, prefix); err != nil {
		return err
	}
	in.Location, in.DryRun = imageLocation(loc, prefix), dryRun
	cfg, err := c.connect(ctx, a, place)
	if err != nil {
		return err
	}
	show := a.Show(onTerminal(a, progress.Auto))
	show.Begin(progress.Finishing)
	id, err := c.register(ctx, a, cfg, in)
	show.Close()
	if err != nil || a.Quiet && dryRun {
		return err
	}
	if dryRun {
		_, err = fmt.Fprintf(a.Stdout, "would register: %s as %s; EC2 would allow it\n", words.Printable(in.Location), words.Printable(in.Name))
		return err
	}
	_, err = fmt.Fprintln(a.Stdout, id)
	return err
}

// register registers and waits. An id that is known already is in the error.
func (c *imageOptions) register(ctx context.Context, a *cli.App, cfg aws.Config, in ami.Input) (id string, err error) {
	id, err = ami.Register(ctx, cfg, in)
	if err != nil || in.DryRun || c.noWait {
		return id, err
	}
	var opt ami.WaitOptions
	if a.Verbose {
		opt.Notify = func(state string) { a.Say(id + ": " + state) }
	}
	if err := ami.Wait(ctx, cfg, id, opt); err != nil {
		return id, &cli.LeftError{Err: err, Left: "the image " + id + " is registered"}
	}
	return id, nil
}

// onTerminal returns mode, but for what would be lines in a mail from cron: those
// must be asked for.
func onTerminal(a *cli.App, mode progress.Mode) progress.Mode {
	if mode == progress.Auto && !cli.IsTerminal(a.Stderr) {
		return progress.None
	}
	return mode
}

// parseXMLBundle reads s3://BUCKET/DIR or s3://BUCKET/DIR/NAME.manifest.xml.
func parseXMLBundle(url, prefix string) (s3.Location, string, error) {
	if dir, file, ok := cli.CutLast(url, "/"); ok && strings.HasSuffix(file, ec2.ManifestName("")) {
		name := strings.TrimSuffix(file, ec2.ManifestName(""))
		if prefix != "" && prefix != name {
			return s3.Location{}, "", cli.Usagef("%s: is the manifest of %q, not of %q", url, name, prefix)
		}
		url, prefix = dir, name
	}
	loc, err := s3.ParseLocation(url)
	if err == nil && prefix != "" {
		err = ec2.CheckPrefix(prefix)
	}
	if err != nil {
		return loc, "", &cli.UsageError{Err: err}
	}
	return loc, prefix, nil
}

// imageLocation returns where EC2 is to look: the bucket and the key of the manifest.
func imageLocation(loc s3.Location, prefix string) string {
	return strings.TrimPrefix(loc.Path(ec2.ManifestName(prefix)), "s3://")
}

// wholeInS3 looks for all objects of a bundle: EC2 finds out what is missing, or
// of another size, much later. prefix may be "" if there is only one bundle.
func wholeInS3(ctx context.Context, store *s3.Store, prefix string) (string, error) {
	have, err := store.List(ctx)
	if err != nil {
		return "", err
	}
	size := map[string]int64{}
	var found []string
	for _, o := range have {
		size[o.Name] = o.Size
		if name, ok := strings.CutSuffix(o.Name, ec2.ManifestName("")); ok {
			found = append(found, name)
		}
	}
	if prefix == "" {
		switch len(found) {
		case 1:
			prefix = found[0]
		case 0:
			return "", cli.WithHint(fmt.Errorf("open %s: no bundle in Amazon's format", store.Location()),
				"such a bundle has a NAME.manifest.xml; a raw bundle cannot be registered, \"purebundle ec2\" makes the other kind")
		default:
			return "", cli.WithHint(fmt.Errorf("open %s: has %d bundles: %s", store.Location(), len(found), strings.Join(found, ", ")), "-p says which one")
		}
	}
	b, err := ec2tools.OpenRemote(ctx, store, prefix)
	if err != nil {
		return "", err
	}
	m := b.Manifest()
	for i, p := range m.Parts {
		n, there := size[p.Name]
		path := store.Location().Path(p.Name)
		switch {
		case !there:
			err = fmt.Errorf("open %s: is missing", path)
		case n != m.PartSize(i):
			err = fmt.Errorf("open %s: has %d bytes instead of %d", path, n, m.PartSize(i))
		}
		if err != nil {
			return "", cli.WithHint(err, "upload the bundle again: purebundle ec2 upload-bundle")
		}
	}
	return prefix, nil
}
