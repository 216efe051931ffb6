package ec2tools

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/walker"
)

// MaxSize is the largest root device of an instance-store AMI, in MiB.
const MaxSize = 10240

// VolOptions holds what the options of "ec2 bundle-vol" say.
type VolOptions struct {
	Options
	Volume           string
	size             int64 // MiB
	all              bool
	bundles          bool
	exclude, include []string
	filter           create.FilterFlags
	edits            create.EditChoice
	fstab            string
	generateFstab    bool
	Inherit          bool
	NoInherit        bool
	partition        string
	grubConfig       string
	script           string
	cloneOnly        bool
	noSizeChecks     bool
}

func newBundleVol(a *cli.App) *cobra.Command {
	c := &VolOptions{Options: Options{progress: progress.Auto}}
	cmd := &cobra.Command{
		Use:   "bundle-vol [flags]",
		Short: "Bundle a tree in Amazon's format (ec2-bundle-vol)",
		Long: `Bundle the tree at --volume into an ext4 image in Amazon's format, in the
directory --destination (made if missing):

  PREFIX.part.N          the image: tar, gzip, AES-128-CBC, in parts of 10 MiB
  PREFIX.manifest.xml    what is needed to put it together again, signed

What goes in and what does not is decided as by "purebundle bundle", but that logs,
SSH's authorized_keys and private keys wherever they lie are left out as well.
Excluded directories are kept, empty. Disk is taken for the image's content, once.

PATHS are absolute, below the volume, and separated by commas; * ? [] match
within a name, ** across names.`,
		Example: `  sudo purebundle ec2 bundle-vol -k pk.pem -c cert.pem -u 123456789012 -d /mnt/bundle
  sudo purebundle ec2 bundle-vol -k pk.pem -c cert.pem -u 1234-5678-9012 \
      -d /mnt -p web -s 4096 -e /var/cache,/srv/scratch --generate-fstab --no-inherit`,
		Args: noArguments,
		RunE: unlessSwitch(a, func(cmd *cobra.Command) error {
			return bundleVol(cmd.Context(), a, c)
		}),
	}
	c.flags(a, cmd)
	return cmd
}

// flags adds the options.
func (c *VolOptions) flags(a *cli.App, cmd *cobra.Command) {
	cli.Group(cmd, "What goes in", func(f *pflag.FlagSet) {
		f.StringVarP(&c.Volume, "volume", "v", "/", "`DIR` to bundle")
		f.StringSliceVarP(&c.exclude, "exclude", "e", nil, "leave out what is in `PATHS`; repeatable")
		f.StringSliceVarP(&c.include, "include", "i", nil, "keep `PATHS` that would be left out; repeatable")
		f.BoolVarP(&c.all, "all", "a", false, "also what is mounted from elsewhere (never proc or sysfs)")
		f.BoolVar(&c.bundles, "bundles", false, "keep older bundles, whose manifest and parts lie in the volume")
		c.edits.Add(f)
		c.filter.Add(f, "all")
		f.StringVar(&c.fstab, "fstab", "", "/etc/fstab is to be `FILE`; the old one becomes /etc/fstab.old")
		f.BoolVar(&c.generateFstab, "generate-fstab", false, "/etc/fstab is made for the image; the old one becomes /etc/fstab.old")
	})
	cli.Group(cmd, "For whom", c.oldIdentityFlags)
	cli.Group(cmd, "The machine", func(f *pflag.FlagSet) {
		c.machineFlags(f)
		f.BoolVar(&c.Inherit, "inherit", true, "take the rest from the instance's metadata service")
		f.BoolVar(&c.NoInherit, "no-inherit", false, "do not ask it")
	})
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		f.StringVarP(&c.Prefix, "prefix", "p", "image", "`NAME` of the image and its parts")
		f.Int64VarP(&c.size, "size", "s", MaxSize, "size of the image in `MIB`")
		c.outputFlags(f)
		f.BoolVar(&c.cloneOnly, "clone-only", false, "make the image file only, no bundle; no keys are needed")
		f.BoolVar(&c.noSizeChecks, "no-size-checks", false, "allow more than 10240 MiB")
		ownVerbose(a, f)
		oldSwitches(f)
	})
	cli.Group(cmd, "Refused, being about disk images", func(f *pflag.FlagSet) {
		f.StringVarP(&c.partition, "partition", "P", "", "partition `TYPE`: only none can be had")
		f.StringVar(&c.grubConfig, "grub-config", "", "`FILE` for GRUB legacy on a partitioned image")
		f.StringVarP(&c.script, "script", "S", "", "`FILE` to run on the mounted image; nothing is mounted here")
	})
}

// check completes the configuration.
func (c *VolOptions) check() (opt create.Options, err error) {
	switch {
	case c.partition != "" && c.partition != "none" && c.partition != "auto":
		return opt, cli.WithHint(cli.Usagef("--partition %s: partitioned images are not made", c.partition), "the image is a file system: leave it away, or give -P none")
	case c.grubConfig != "":
		return opt, cli.WithHint(cli.Usagef("--grub-config: GRUB legacy is not installed"), "leave it away: an image without partitions is booted by PV-GRUB, which reads the image's own /boot/grub/menu.lst")
	case c.script != "":
		return opt, cli.WithHint(cli.Usagef("--script: there is no mounted image that it could change"), "change the tree, or a copy of it, before it is bundled")
	case c.size <= 0:
		return opt, cli.Usagef("--size %d: not a size in MiB", c.size)
	case c.size > MaxSize && !c.noSizeChecks:
		return opt, cli.WithHint(cli.Usagef("--size %d: at most %d MiB for an instance-store AMI", c.size, MaxSize), "--no-size-checks allows it")
	case c.fstab != "" && c.generateFstab:
		return opt, cli.Usagef("--fstab and --generate-fstab: only one of them")
	}
	if err := ec2.CheckPrefix(c.Prefix); err != nil {
		return opt, &cli.UsageError{Err: err}
	}
	opt = create.Options{Source: c.Volume, Dest: c.dest, Prefix: c.Prefix, Force: c.force, TrustDest: c.trusted, AllUsed: true}
	opt.Image, opt.Names, opt.Notes = create.ParamsFor(c.Volume)
	opt.Image.Size = c.size << 20
	opt.Edits = c.edits
	if err := opt.Edits.Check(); err != nil {
		return opt, err
	}
	opt.Walk.CrossAll, opt.Walk.Bundles, opt.Walk.Secret = c.all, c.bundles, c.Named()
	if opt.Walk.Filter, err = c.filter.Choice(true); err != nil {
		return opt, err
	}
	if opt.Walk.Exclude, err = volumePaths("--exclude", c.Volume, c.exclude); err != nil {
		return opt, err
	}
	opt.Walk.Include, err = volumePaths("--include", "", c.include)
	return opt, err
}

// volumePaths makes patterns of absolute paths below the volume. A directory
// that is there is kept, with nothing in it.
func volumePaths(flag, volume string, list []string) ([]string, error) {
	var out []string
	for _, p := range trimmed(list) {
		if !strings.HasPrefix(p, "/") {
			return nil, cli.WithHint(cli.Usagef("%s %s: not an absolute path", flag, p), "paths begin with / and are below the volume, whatever it is")
		}
		p = strings.TrimRight(p, "/")
		if p == "" {
			return nil, cli.Usagef("%s /: that is the whole volume", flag)
		}
		if st, err := os.Lstat(filepath.Join(volume, p)); volume != "" && err == nil {
			p = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(p) // it is what it says
			if st.IsDir() {
				p += "/**"
			}
		}
		out = append(out, p)
	}
	return out, nil
}

// bundleVol makes the image, in raw parts, and the bundle of them.
func bundleVol(ctx context.Context, a *cli.App, c *VolOptions) error {
	if err := c.place(); err != nil {
		return err
	}
	opt, err := c.check()
	if err != nil {
		return err
	}
	var keys ec2.Keys
	var m *ec2.Manifest
	if !c.cloneOnly {
		if keys, err = c.Keys(a); err != nil {
			return err
		}
		if m, err = c.Manifest(a.Version); err != nil {
			return err
		}
	}
	if image := filepath.Join(c.dest, c.Prefix); c.cloneOnly && !c.force {
		if _, err := os.Lstat(image); err == nil {
			return cli.WithHint(fmt.Errorf("write %s: %w", image, chunk.ErrExists), "--force replaces it, once the new one is complete")
		}
	}
	if err := create.CheckSource("bundle", opt.Source); err != nil {
		return err
	}
	if err := create.CheckDest(opt.Source, opt.Dest); err != nil {
		return err
	}
	if opt.Mounts, err = walker.NewPlan(opt.Source, opt.Walk); err != nil {
		return err
	}
	defer opt.Mounts.Close()
	r := &VolRun{Run: create.Run{App: a, Opt: opt, UI: a.Show(c.progress), TooSmall: c.tooSmall}, C: c, Keys: keys, Manifest: m}
	defer r.UI.Close()
	r.Confine(r.Power(ctx))
	return r.run(ctx)
}

// VolRun is one run of "ec2 bundle-vol".
type VolRun struct {
	create.Run
	C        *VolOptions
	Keys     ec2.Keys
	Manifest *ec2.Manifest
	Store    *s3.Store // where the bundle goes if not to Opt.Dest
	RawDir   string    // where the raw parts lie meanwhile, with Store
}

func (r *VolRun) run(ctx context.Context) error {
	made, err := r.Make(ctx)
	if err != nil {
		return err
	}
	r.UI.Close()
	if err := r.summary(made); err != nil {
		return err
	}
	r.SayHidden("--progress plain --debug shows them")
	return r.Verdict()
}

// Made says what a run has made: the image's size and the parts, in bytes.
type Made struct {
	Size, Bytes int64
	Parts       int
}

// Make makes the bundle, or the image, and nothing else.
func (r *VolRun) Make(ctx context.Context) (made Made, err error) {
	if m := r.Manifest; m != nil && r.C.Inherit && !r.C.NoInherit {
		if err := inherit(ctx, m); err != nil {
			r.UI.Warn("", err.Error()+": nothing is inherited (--no-inherit does not ask)")
		}
	}
	out, rawDir, err := r.begin(ctx)
	if err != nil {
		return made, err
	}
	defer func() {
		aerr := out.Abort()
		if aerr != nil && (err == nil || r.Store == nil) {
			r.UI.Warn("", aerr.Error())
		} else if aerr != nil {
			err = &cli.LeftError{Err: err, Left: aerr.Error()}
		}
		if r.Store != nil && cli.LeftBehind(err) != "" {
			err = cli.AddHint(err, "what is there of it goes with: purebundle delete --parts%s -p %s %s",
				r.Opt.S3.Again(), words.Quote(r.Opt.Prefix), words.Quote(r.Store.Location().String()))
		}
	}()
	raw, err := chunk.Create(rawDir, chunk.Options{Prefix: r.Opt.Prefix, Trusted: r.Opt.TrustDest})
	if err != nil {
		return made, err
	}
	defer func() {
		if abortErr := raw.Abort(); abortErr != nil {
			r.UI.Warn("", abortErr.Error())
		}
	}()
	if err := r.makeRaw(ctx, raw); err != nil {
		return made, err
	}
	size := r.imageSize()
	src, err := ec2.Made(raw, size)
	if err != nil {
		return made, err
	}
	show := readBytes(r.UI, src.Bytes())
	if r.C.cloneOnly {
		err = src.Copy(ctx, filepath.Join(r.Opt.Dest, r.Opt.Prefix), ec2.CopyFileOptions{Trusted: r.Opt.TrustDest, Done: show})
	} else {
		err = out.Write(ctx, src, show)
	}
	if err != nil {
		return made, err
	}
	if err := raw.Abort(); err != nil {
		return made, err
	}
	made.Size = size
	made.Parts, made.Bytes = out.Parts()
	if r.C.cloneOnly {
		return made, nil
	}
	return made, out.Commit(ctx, r.Manifest, r.Keys)
}

// begin begins the bundle, and says where the raw parts of the image go.
func (r *VolRun) begin(ctx context.Context) (out *ec2.Writer, rawDir string, err error) {
	opt := ec2.Options{Prefix: r.Opt.Prefix, Force: r.Opt.Force || r.C.cloneOnly, Level: r.C.level, Trusted: r.Opt.TrustDest, Time: time.Now()}
	if r.Store != nil {
		opt.Flight = r.Opt.S3.Concurrency
		out, err = ec2.Make(ctx, r.Store, opt)
		return out, r.RawDir, err
	}
	if out, err = ec2.Create(r.Opt.Dest, opt); err != nil {
		return nil, "", err
	}
	r.Hold(out.Held())
	if rawDir, err = out.RawDir(); err != nil {
		err = errors.Join(err, out.Abort())
	}
	return out, rawDir, err
}

// makeRaw walks the volume and makes the raw parts.
func (r *VolRun) makeRaw(ctx context.Context, raw *chunk.Writer) error {
	var err error
	if r.Fstab, err = r.fstab(); err != nil {
		return err
	}
	if err := r.Plan(ctx); err != nil {
		return err
	}
	defer r.Tree.Close()
	defer r.Measure(ctx)()
	return r.Write(ctx, raw)
}

// tooSmall says what --size, in MiB, must be.
func (c *VolOptions) tooSmall(small *ext2img.TooSmallError) error {
	least := (small.Need + 1<<20 - 1) >> 20
	err := fmt.Errorf("bundle-vol %s: --size %d MiB is too small: the content needs %s", c.Volume, c.size, words.Size(small.Need))
	if least > MaxSize && !c.noSizeChecks {
		return cli.WithHint(err, "an instance-store AMI has at most %d MiB: leave something out with -e; --no-size-checks allows -s %d", MaxSize, least)
	}
	return cli.WithHint(err, "-s %d is the least that works", least)
}

// fstab returns what /etc/fstab is to be in the image; nil: what it is in the tree.
func (r *VolRun) fstab() ([]byte, error) {
	switch {
	case r.C.generateFstab:
		return fmt.Appendf(nil, "# made with the image\nUUID=%s\t/\text4\tdefaults\t0\t1\n", uuid.UUID(r.Opt.Image.UUID)), nil
	case r.C.fstab != "":
		text, err := os.ReadFile(r.C.fstab)
		if err != nil {
			return nil, fmt.Errorf("--fstab: %w", err)
		}
		if text == nil {
			text = []byte{}
		}
		return text, nil
	}
	return nil, nil
}

// imageSize returns the size of the image in bytes: what was asked for. The parts are
// whole ones; what they have more is zero and no part of the file system.
func (r *VolRun) imageSize() int64 {
	if size := r.Opt.Image.Size; size < r.Image.Size() && size >= r.Image.Stats().FSSize {
		return size
	}
	return r.Image.Size()
}

// readBytes shows the reading of so many bytes of an image.
func readBytes(u *progress.UI, all int64) func(int64) {
	u.Bytes.Store(0)
	u.Parts.Store(0)
	u.AllBytes.Store(all)
	u.AllParts.Store((all + chunk.Size - 1) / chunk.Size)
	u.Begin(progress.Reading)
	return func(n int64) { u.Parts.Store(u.Bytes.Add(n) / chunk.Size) }
}

func (r *VolRun) summary(made Made) error {
	if r.App.Quiet {
		return nil
	}
	s := r.Summarize()
	s.ImageSize = made.Size
	rows := [][2]string{
		{"bundled", r.ContentLine()},
		{"image", r.ImageLine(s)},
	}
	next := "mount -o loop " + words.Quote(filepath.Join(r.Opt.Dest, r.Opt.Prefix)) + " /mnt"
	if !r.C.cloneOnly {
		manifest := filepath.Join(r.Opt.Dest, ec2.ManifestName(r.Opt.Prefix))
		rows = append(rows, [2]string{"parts", fmt.Sprintf("%s, %s, in %s", words.Count(int64(made.Parts)), words.Size(made.Bytes), words.Printable(r.Opt.Dest))},
			[2]string{"manifest", words.Printable(manifest)})
		next = "purebundle ec2 verify -m " + words.Quote(manifest) + " -c " + words.Quote(r.C.cert)
	}
	rows = append(rows, [2]string{"time", words.Seconds(s.Seconds)})
	rows = append(rows, r.LeftOutRows()...)
	if n := len(r.Changes()); n > 0 {
		rows = append(rows, [2]string{"changed", create.ChangesLine(s.Changes)})
	}
	return cli.PrintRows(r.App.Stdout, append(rows, [2]string{"next", next}))
}

// Verdict returns nil for a bundle that has everything, else an error with status 3.
// The format cannot say what is missing, so that it is listed here if nothing was
// shown before.
func (r *VolRun) Verdict() error {
	if r.Lost() == 0 {
		return nil
	}
	if r.UI.Silent {
		for _, p := range r.Tree.Unreadable {
			r.App.ErrorLine(p.Path + ": not in the image: " + p.Err.Error())
		}
		for _, c := range r.Report.Changes {
			if c.Kind.Lost() {
				r.App.ErrorLine(c.Path + ": " + c.Kind.String() + " (" + c.Detail + ")")
			}
		}
	}
	return cli.WithHint(&cli.IncompleteError{Text: fmt.Sprintf("bundle-vol %s: done, but %s", r.Opt.Source, r.LostLine())}, "--debug lists them all")
}
