package ec2tools

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/look"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

func newVerify(a *cli.App) *cobra.Command {
	c := &readOptions{progress: progress.Auto}
	cmd := &cobra.Command{
		Use:   "verify [flags]",
		Short: "Check a bundle: signature, parts, and with the key the image",
		Long: `Check a bundle of Amazon's format: size and digest of each part; with --cert the
signature of the manifest; with --privatekey also that the parts decrypt to an
archive of the image with the right name, size and digest. Nothing is written.

Digests say that a bundle is whole, the signature who made it: without --cert the
exit status is 3, unless --signature none says that it need not be checked.`,
		Example: `  purebundle ec2 verify -m /mnt/bundle/image.manifest.xml -c cert.pem
  purebundle ec2 verify -m image.manifest.xml -s parts -c cert.pem -k pk.pem`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return verifyBundle(cmd.Context(), a, c)
		},
	}
	cli.Group(cmd, "The bundle", func(f *pflag.FlagSet) {
		c.flags(f)
		f.StringVarP(&c.key, "privatekey", "k", "", "RSA private key of the user, PEM `FILE`: checks the image")
	})
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		f.Var(&c.progress, "progress", "how to show progress: auto, bar, plain, json or none")
		ownVerbose(a, f)
	})
	return cmd
}

func verifyBundle(ctx context.Context, a *cli.App, c *readOptions) error {
	a.Confine(confine.Rest{Capabilities: []confine.Capability{confine.ReadSearch}})
	b, err := c.load()
	if err != nil {
		return err
	}
	defer b.Close()
	m := b.Manifest()
	what := "digests"
	show, made := c.show(a, b)
	defer show.Close()
	if c.key == "" {
		err = b.VerifyParts(ctx, made)
	} else {
		what = "digests and image"
		key, kerr := loadKey(a, c.key)
		if kerr != nil {
			return kerr
		}
		err = b.Read(ctx, key, func([]byte, int64) error { return nil }, made)
	}
	show.Close()
	if err != nil {
		return look.Damaged(a, c.manifest, err)
	}
	verdict := c.verdict("verify " + c.manifest + ": parts are right")
	if a.Quiet {
		return verdict
	}
	_, err = fmt.Fprintf(a.Stdout, "ok: %s of %s, %s: %s\n", words.Plural(int64(len(m.Parts)), "part"), words.Printable(m.Name), words.Size(m.Size), c.checked(what))
	return cmp.Or(err, verdict)
}
