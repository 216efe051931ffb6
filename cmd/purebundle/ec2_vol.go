package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/ext2img"
	"purebundle/walker"
)

// maxEC2Size is the largest root device of an instance-store AMI, in MiB.
const maxEC2Size = 10240

// ec2VolConfig is what the options of "ec2 bundle-vol" say.
type ec2VolConfig struct {
	ec2Config
	volume           string
	size             int64 // MiB
	all              bool
	exclude, include []string
	filter           filterFlags
	fstab            string
	generateFstab    bool
	inherit          bool
	noInherit        bool
	partition        string
	grubConfig       string
	script           string
	cloneOnly        bool
	noSizeChecks     bool
}

func newEC2BundleVol(a *app) *cobra.Command {
	c := &ec2VolConfig{ec2Config: ec2Config{progress: progressAuto}}
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
		RunE: func(cmd *cobra.Command, _ []string) error {
			if done, err := oldSwitch(a, cmd); done {
				return err
			}
			return ec2BundleVol(cmd.Context(), a, c)
		},
	}
	group(cmd, "What goes in", func(f *pflag.FlagSet) {
		f.StringVarP(&c.volume, "volume", "v", "/", "`DIR` to bundle")
		f.StringSliceVarP(&c.exclude, "exclude", "e", nil, "leave out what is in `PATHS`; repeatable")
		f.StringSliceVarP(&c.include, "include", "i", nil, "keep `PATHS` that would be left out; repeatable")
		f.BoolVarP(&c.all, "all", "a", false, "also what is mounted from elsewhere (never proc or sysfs)")
		c.filter.add(f, "all")
		f.StringVar(&c.fstab, "fstab", "", "/etc/fstab is to be `FILE`; the old one becomes /etc/fstab.old")
		f.BoolVar(&c.generateFstab, "generate-fstab", false, "/etc/fstab is made for the image; the old one becomes /etc/fstab.old")
	})
	group(cmd, "For whom", c.identityFlags)
	group(cmd, "The machine", func(f *pflag.FlagSet) {
		c.machineFlags(f)
		f.BoolVar(&c.inherit, "inherit", true, "take the rest from the instance's metadata service")
		f.BoolVar(&c.noInherit, "no-inherit", false, "do not ask it")
	})
	group(cmd, "The output", func(f *pflag.FlagSet) {
		f.StringVarP(&c.prefix, "prefix", "p", "image", "`NAME` of the image and its parts")
		f.Int64VarP(&c.size, "size", "s", maxEC2Size, "size of the image in `MIB`")
		c.outputFlags(f)
		f.BoolVar(&c.cloneOnly, "clone-only", false, "make the image file only, no bundle; no keys are needed")
		f.BoolVar(&c.noSizeChecks, "no-size-checks", false, "allow more than 10240 MiB")
		ownVerbose(a, f)
		oldSwitches(f)
	})
	group(cmd, "Refused, being about disk images", func(f *pflag.FlagSet) {
		f.StringVarP(&c.partition, "partition", "P", "", "partition `TYPE`: only none can be had")
		f.StringVar(&c.grubConfig, "grub-config", "", "`FILE` for GRUB legacy on a partitioned image")
		f.StringVarP(&c.script, "script", "S", "", "`FILE` to run on the mounted image; nothing is mounted here")
	})
	return cmd
}

// check completes the configuration.
func (c *ec2VolConfig) check() (*bundleConfig, error) {
	switch {
	case c.partition != "" && c.partition != "none" && c.partition != "auto":
		return nil, withHint(usagef("--partition %s: partitioned images are not made", c.partition), "the image is a file system: leave it away, or give -P none")
	case c.grubConfig != "":
		return nil, withHint(usagef("--grub-config: GRUB legacy is not installed"), "leave it away: an image without partitions is booted by PV-GRUB, which reads the image's own /boot/grub/menu.lst")
	case c.script != "":
		return nil, withHint(usagef("--script: there is no mounted image that it could change"), "change the tree, or a copy of it, before it is bundled")
	case c.size <= 0:
		return nil, usagef("--size %d: not a size in MiB", c.size)
	case c.size > maxEC2Size && !c.noSizeChecks:
		return nil, withHint(usagef("--size %d: at most %d MiB for an instance-store AMI", c.size, maxEC2Size), "--no-size-checks allows it")
	case c.fstab != "" && c.generateFstab:
		return nil, usagef("--fstab and --generate-fstab: only one of them")
	}
	if err := ec2.CheckPrefix(c.prefix); err != nil {
		return nil, &usageError{err}
	}
	cfg := &bundleConfig{source: c.volume, dest: c.dest, prefix: c.prefix, size: sizeFlag(c.size << 20), progress: c.progress, force: c.force}
	cfg.walk.CrossAll, cfg.walk.Secret = c.all, c.named()
	var err error
	if cfg.walk.Filter, err = c.filter.choice(true); err != nil {
		return nil, err
	}
	if cfg.walk.Exclude, err = volumePaths("--exclude", c.volume, c.exclude); err != nil {
		return nil, err
	}
	cfg.walk.Include, err = volumePaths("--include", "", c.include)
	return cfg, err
}

// volumePaths makes patterns of absolute paths below the volume. A directory
// that is there is kept, with nothing in it.
func volumePaths(flag, volume string, list []string) ([]string, error) {
	var out []string
	for _, p := range trimmed(list) {
		if !strings.HasPrefix(p, "/") {
			return nil, withHint(usagef("%s %s: not an absolute path", flag, p), "paths begin with / and are below the volume, whatever it is")
		}
		p = strings.TrimRight(p, "/")
		if p == "" {
			return nil, usagef("%s /: that is the whole volume", flag)
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

// ec2BundleVol makes the image, in raw parts, and the bundle of them.
func ec2BundleVol(ctx context.Context, a *app, c *ec2VolConfig) error {
	cfg, err := c.check()
	if err != nil {
		return err
	}
	var keys ec2.Keys
	var m *ec2.Manifest
	if !c.cloneOnly {
		if keys, err = c.keys(); err != nil {
			return err
		}
		if m, err = c.manifest(); err != nil {
			return err
		}
	}
	if image := filepath.Join(c.dest, c.prefix); c.cloneOnly && !c.force {
		if _, err := os.Lstat(image); err == nil {
			return withHint(fmt.Errorf("write %s: %w", image, chunk.ErrExists), "--force replaces it, once the new one is complete")
		}
	}
	if err := checkSource(cfg.source); err != nil {
		return err
	}
	if err := checkDest(cfg.source, cfg.dest); err != nil {
		return err
	}
	mounts, err := walker.Mounts(cfg.source, cfg.walk)
	if err != nil {
		return err
	}
	if a.quiet {
		cfg.progress = progressNone
	}
	a.jsonErrors = cfg.progress == progressJSON
	r := &ec2VolRun{bundleRun: bundleRun{app: a, cfg: cfg, ui: a.newUI(cfg.progress), tooSmall: c.tooSmall}, c: c, keys: keys, manifest: m}
	defer r.ui.close()
	if a.verbose {
		r.sayMounts(mounts)
	}
	return r.run(ctx)
}

// ec2VolRun is one run of "ec2 bundle-vol".
type ec2VolRun struct {
	bundleRun
	c        *ec2VolConfig
	keys     ec2.Keys
	manifest *ec2.Manifest
}

func (r *ec2VolRun) run(ctx context.Context) error {
	made, err := r.make(ctx)
	if err != nil {
		return err
	}
	r.ui.close()
	if err := r.summary(made); err != nil {
		return err
	}
	return r.verdict()
}

// ec2Made is what a run has made: the image's size and the parts, in bytes.
type ec2Made struct {
	size, bytes int64
	parts       int
}

// make makes the bundle, or the image, and nothing else.
func (r *ec2VolRun) make(ctx context.Context) (made ec2Made, err error) {
	if m := r.manifest; m != nil && r.c.inherit && !r.c.noInherit {
		if err := inherit(ctx, m); err != nil {
			r.ui.warn("", err.Error()+": nothing is inherited (--no-inherit does not ask)")
		}
	}
	out, err := ec2.Create(r.cfg.dest, ec2.Options{Prefix: r.cfg.prefix, Force: r.cfg.force || r.c.cloneOnly, Level: r.c.level, Time: time.Now()})
	if err != nil {
		return made, err
	}
	defer func() {
		if abortErr := out.Abort(); abortErr != nil {
			r.ui.warn("", abortErr.Error())
		}
	}()
	rawDir, err := out.RawDir()
	if err != nil {
		return made, err
	}
	raw, err := chunk.Create(rawDir, chunk.Options{Prefix: r.cfg.prefix})
	if err != nil {
		return made, err
	}
	defer func() {
		if abortErr := raw.Abort(); abortErr != nil {
			r.ui.warn("", abortErr.Error())
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
	show := r.reading(src)
	if r.c.cloneOnly {
		err = src.Copy(ctx, filepath.Join(r.cfg.dest, r.cfg.prefix), show)
	} else {
		err = out.Write(ctx, src, show)
	}
	if err != nil {
		return made, err
	}
	if err := raw.Abort(); err != nil {
		return made, err
	}
	made.size = size
	made.parts, made.bytes = out.Parts()
	if r.c.cloneOnly {
		return made, nil
	}
	return made, out.Commit(ctx, r.manifest, r.keys)
}

// makeRaw walks the volume and makes the raw parts.
func (r *ec2VolRun) makeRaw(ctx context.Context, raw *chunk.Writer) error {
	r.params = r.imageParams()
	if !r.cfg.uuid.set { // the fstab names it, so it must not be chosen twice
		r.cfg.uuid = uuidFlag{uuid: r.params.UUID, set: true}
	}
	text, err := r.fstab()
	if err != nil {
		return err
	}
	if text != nil {
		if r.swap, err = newFstab(text); err != nil {
			return err
		}
		defer r.swap.close()
	}
	if err := r.plan(ctx, r.leaveOut()); err != nil {
		return err
	}
	defer r.tree.Close()
	return r.write(ctx, raw)
}

// tooSmall says what --size, in MiB, must be.
func (c *ec2VolConfig) tooSmall(small *ext2img.TooSmallError) error {
	least := (small.Need + 1<<20 - 1) >> 20
	err := fmt.Errorf("bundle-vol %s: --size %d MiB is too small: the content needs %s", c.volume, c.size, formatSize(small.Need))
	if least > maxEC2Size && !c.noSizeChecks {
		return withHint(err, "an instance-store AMI has at most %d MiB: leave something out with -e; --no-size-checks allows -s %d", maxEC2Size, least)
	}
	return withHint(err, "-s %d is the least that works", least)
}

// fstab is what /etc/fstab is to be in the image; nil: what it is.
func (r *ec2VolRun) fstab() ([]byte, error) {
	switch {
	case r.c.generateFstab:
		return fmt.Appendf(nil, "# made with the image\nUUID=%s\t/\text4\tdefaults\t0\t1\n", formatUUID(r.cfg.uuid.uuid)), nil
	case r.c.fstab != "":
		text, err := os.ReadFile(r.c.fstab)
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

// imageSize is that of the image in bytes: what was asked for. The parts are
// whole ones; what they have more is zero and no part of the file system.
func (r *ec2VolRun) imageSize() int64 {
	if size := int64(r.cfg.size); size < r.image.Size() && size >= r.image.Stats().FSSize {
		return size
	}
	return r.image.Size()
}

// reading shows how far the image has been read again.
func (r *bundleRun) reading(src ec2.Source) func(int64) { return readBytes(r.ui, src.Bytes()) }

// readBytes shows the reading of so many bytes of an image.
func readBytes(u *ui, all int64) func(int64) {
	u.bytes.Store(0)
	u.parts.Store(0)
	u.allBytes.Store(all)
	u.allParts.Store((all + chunk.Size - 1) / chunk.Size)
	u.begin(reading)
	return func(n int64) { u.parts.Store(u.bytes.Add(n) / chunk.Size) }
}

func (r *ec2VolRun) summary(made ec2Made) error {
	if r.app.quiet {
		return nil
	}
	s := r.summarize()
	s.ImageSize = made.size
	rows := [][2]string{
		{"bundled", r.contentLine()},
		{"image", r.imageLine(s)},
	}
	next := "mount -o loop " + shellQuote(filepath.Join(r.cfg.dest, r.cfg.prefix)) + " /mnt"
	if !r.c.cloneOnly {
		manifest := filepath.Join(r.cfg.dest, ec2.ManifestName(r.cfg.prefix))
		rows = append(rows, [2]string{"parts", fmt.Sprintf("%s, %s, in %s", formatCount(int64(made.parts)), formatSize(made.bytes), printable(r.cfg.dest))},
			[2]string{"manifest", printable(manifest)})
		next = "purebundle ec2 verify -m " + shellQuote(manifest) + " -c " + shellQuote(r.c.cert)
	}
	rows = append(rows, [2]string{"time", formatSeconds(s.Seconds)})
	rows = append(rows, r.leftOutRows()...)
	if n := len(r.changes()); n > 0 {
		rows = append(rows, [2]string{"changed", changesLine(s.Changes)})
	}
	return printRows(r.app.stdout, append(rows, [2]string{"next", next}))
}

// verdict is nil for a bundle that has everything, else status 3. The format has
// no place for what is missing, so that it is listed here where nothing was shown.
func (r *ec2VolRun) verdict() error {
	lost := r.lost()
	if lost == 0 {
		return nil
	}
	if r.cfg.progress == progressNone {
		for _, p := range r.tree.Unreadable {
			r.app.errorLine(p.Path + ": not in the image: " + p.Err.Error())
		}
		for _, c := range r.report.Changes {
			if c.Kind.Lost() {
				r.app.errorLine(c.Path + ": " + c.Kind.String() + " (" + c.Detail + ")")
			}
		}
	}
	return withHint(&incompleteError{fmt.Sprintf("bundle-vol %s: done, but %s could not be read as it was",
		r.cfg.source, plural(int64(lost), "entry", "entries"))}, "--debug lists them all")
}
