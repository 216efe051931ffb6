package ec2tools

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img/extfs"
)

// readOptions holds what the commands that read a bundle have in common.
type readOptions struct {
	key, cert, manifest, source string
	progress                    progress.Mode
	trusted                     bool
	signature                   signature
}

func (c *readOptions) flags(f *pflag.FlagSet) {
	f.StringVarP(&c.manifest, "manifest", "m", "", "manifest `FILE`, NAME.manifest.xml")
	f.StringVarP(&c.source, "source", "s", "", "`DIR` with the parts (default: that of the manifest, or the working directory)")
	f.StringVarP(&c.cert, "cert", "c", "", "X.509 certificate of the user, PEM `FILE`: checks the signature")
	f.Var(&c.signature, "signature", "required (so with -c) or none; unless it was checked, or none, the exit status is 3")
}

// load opens the bundle and checks its signature if there is a certificate.
func (c *readOptions) load() (*ec2.Bundle, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.manifest == "" {
		return nil, cli.WithHint(cli.Usagef("--manifest (-m) is needed"), "give the manifest of the bundle, NAME.manifest.xml")
	}
	b, err := ec2.Load(c.manifest, c.source)
	if err == nil && c.source == "" && c.partsAreHere(b.Manifest()) {
		_ = b.Close() // only read from
		b, err = ec2.Load(c.manifest, ".")
	}
	if err != nil || c.cert == "" {
		return b, err
	}
	pub, err := ec2.LoadCertificate(c.cert)
	if err == nil {
		err = b.CheckSignature(pub)
	}
	if err != nil {
		_ = b.Close() // only read from
		return nil, err
	}
	return b, nil
}

// partsAreHere says whether the parts are not beside the manifest but in the
// working directory, where the old tool looks.
func (c *readOptions) partsAreHere(m *ec2.Manifest) bool {
	_, beside := os.Lstat(filepath.Join(filepath.Dir(c.manifest), m.Parts[0].Name))
	_, here := os.Lstat(m.Parts[0].Name)
	return beside != nil && here == nil
}

// show starts showing the reading of a bundle.
func (c *readOptions) show(a *cli.App, b *ec2.Bundle) (*progress.UI, func(int)) {
	show := a.Show(c.progress)
	m := b.Manifest()
	show.AllBytes.Store(m.BundledSize)
	show.AllParts.Store(int64(len(m.Parts)))
	show.Begin(progress.Reading)
	return show, func(int) {
		show.Parts.Add(1)
		show.Bytes.Add(chunk.Size)
	}
}

func newUnbundle(a *cli.App) *cobra.Command {
	c := &readOptions{progress: progress.Auto}
	var dest string
	var force, raw bool
	cmd := &cobra.Command{
		Use:   "unbundle [flags]",
		Short: "Get the image out of a bundle (ec2-unbundle)",
		Long: `Get the image out of a bundle, as a file of the manifest's name in the directory
--destination. The signature (with --cert), the size and digest of each part, the
name in the archive and the digest of the image are checked; the image appears
only when all of them are right. Without --cert the exit status is 3, unless
--signature none says that the signature need not be checked.

With --raw, the image becomes a bundle of "purebundle bundle" instead.`,
		Example: `  purebundle ec2 unbundle -m image.manifest.xml -k pk.pem -c cert.pem -d /mnt
  purebundle ec2 unbundle -m ec2/image.manifest.xml -k pk.pem --raw -d raw`,
		Args: noArguments,
		RunE: unlessSwitch(a, func(cmd *cobra.Command) error {
			if c.key == "" {
				return cli.WithHint(cli.Usagef("--privatekey (-k) is needed"), "give the private key of the user who made the bundle")
			}
			if raw {
				return unbundleRaw(cmd.Context(), a, c, dest, force)
			}
			return unbundleImage(cmd.Context(), a, c, dest, force)
		}),
	}
	cli.Group(cmd, "The bundle", func(f *pflag.FlagSet) {
		c.flags(f)
		f.StringVarP(&c.key, "privatekey", "k", "", "RSA private key of the user, PEM `FILE`")
	})
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		cli.DirVarP(f, &dest, "destination", "d", ".", "`DIR` for the image")
		cli.TrustFlag(f, &c.trusted)
		f.BoolVar(&raw, "raw", false, "make a raw bundle of it: parts of 10 MiB, neither compressed nor encrypted")
		f.BoolVar(&force, "force", false, "replace what is there, once the new is complete")
		f.Var(&c.progress, "progress", "how to show progress: auto, bar, plain, json or none")
		ownVerbose(a, f)
		oldSwitches(f)
	})
	return cmd
}

// open gives up all power but that to read, and to write below dest, and opens the
// bundle and its key.
func (c *readOptions) open(a *cli.App, dest string) (*rsa.PrivateKey, *ec2.Bundle, error) {
	rest := confine.Under(dest)
	rest.Capabilities = append(rest.Capabilities, confine.ReadSearch)
	a.Confine(rest)
	key, err := loadKey(a, c.key)
	if err != nil {
		return nil, nil, err
	}
	b, err := c.load()
	return key, b, err
}

func unbundleImage(ctx context.Context, a *cli.App, c *readOptions, dest string, force bool) error {
	key, b, err := c.open(a, dest)
	if err != nil {
		return err
	}
	defer b.Close()
	show, made := c.show(a, b)
	defer show.Close()
	m := b.Manifest()
	image := filepath.Join(dest, m.Name)
	if err := b.Unbundle(ctx, key, image, ec2.UnbundleOptions{Force: force, Trusted: c.trusted, Done: made}); err != nil {
		return err
	}
	show.Close()
	return c.unbundled(a, m, words.Printable(image), "mount -o loop "+words.Quote(image)+" /mnt")
}

// unbundled says that the image of m has become what into names, and what comes next.
func (c *readOptions) unbundled(a *cli.App, m *ec2.Manifest, into, next string) error {
	verdict := c.verdict("unbundle " + c.manifest + ": done")
	if a.Quiet {
		return verdict
	}
	return cmp.Or(verdict, cli.PrintRows(a.Stdout, [][2]string{
		{"unbundled", fmt.Sprintf("%s into %s, %s", words.Plural(int64(len(m.Parts)), "part"), into, words.Size(m.Size))},
		{"checked", c.checked("digests and image")},
		{"next", next},
	}))
}

// checked returns what was checked: the signature too if there was a certificate.
func (c *readOptions) checked(what string) string {
	if c.cert == "" {
		return what + "; not the signature (-c CERT)"
	}
	return "signature, " + what
}

// unbundleRaw makes a raw bundle of the image.
func unbundleRaw(ctx context.Context, a *cli.App, c *readOptions, dest string, force bool) (err error) {
	key, b, err := c.open(a, dest)
	if err != nil {
		return err
	}
	defer b.Close()
	m := b.Manifest()
	out, err := chunk.Create(dest, chunk.Options{Prefix: m.Name, Force: force, Trusted: c.trusted})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Abort()) }()
	show, made := c.show(a, b)
	defer show.Close()
	if err := b.ToParts(ctx, key, out, made); err != nil {
		return err
	}
	raw, err := rawManifest(a, out, m)
	if err != nil {
		return err
	}
	if err := out.Commit(ctx, raw); err != nil {
		return err
	}
	show.Close()
	into := fmt.Sprintf("%s of 10 MiB in %s", words.Plural(int64(len(raw.Parts)), "part"), words.Printable(dest))
	return c.unbundled(a, m, into, "purebundle verify --deep "+words.Quote(filepath.Join(dest, chunk.ManifestName(m.Name))))
}

// rawManifest says of the image what its own superblock says. What was bundled
// once, and what was left out, the format does not tell.
func rawManifest(a *cli.App, out *chunk.Writer, m *ec2.Manifest) (*chunk.Manifest, error) {
	img, err := ec2.Made(out, m.Size)
	if err != nil {
		return nil, err
	}
	raw := &chunk.Manifest{
		Tool: "purebundle " + a.Version, Created: time.Now().UTC().Truncate(time.Second), Source: "/",
		Mounts: []chunk.Mount{}, Filtered: []chunk.Left{}, Excluded: []chunk.Left{},
		Unreadable: []chunk.Problem{}, Changes: []chunk.Change{}, Warnings: []chunk.Warning{},
	}
	raw.Host, _ = os.Hostname() // a manifest without it is as good
	fs, err := extfs.Open(img.Image, m.Size)
	if err != nil {
		raw.Image.Type = "unknown" // an image of anything can be bundled
		return raw, nil
	}
	info := fs.Info()
	raw.Image = chunk.Image{
		FSSize: int64(info.Blocks) * int64(info.BlockSize), BlockSize: int64(info.BlockSize),
		Blocks: int64(info.Blocks), FreeBlocks: int64(info.FreeBlocks), Inodes: int64(info.Inodes), FreeInodes: int64(info.FreeInodes),
		Type: "ext4", Label: info.Label, UUID: uuid.UUID(info.UUID).String(),
	}
	return raw, nil
}
