package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk/ec2"
)

func newEC2Verify(a *app) *cobra.Command {
	c := &ec2ReadConfig{progress: progressAuto}
	cmd := &cobra.Command{
		Use:   "verify [flags]",
		Short: "Check a bundle: signature, parts, and with the key the image",
		Long: `Check a bundle of Amazon's format: size and digest of each part; with --cert the
signature of the manifest; with --privatekey also that the parts decrypt to an
archive of the image with the right name, size and digest. Nothing is written.`,
		Example: `  purebundle ec2 verify -m /mnt/bundle/image.manifest.xml -c cert.pem
  purebundle ec2 verify -m image.manifest.xml -s parts -c cert.pem -k pk.pem`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ec2Verify(cmd.Context(), a, c)
		},
	}
	group(cmd, "The bundle", func(f *pflag.FlagSet) {
		c.flags(f)
		f.StringVarP(&c.key, "privatekey", "k", "", "RSA private key of the user, PEM `FILE`: checks the image")
	})
	group(cmd, "The output", func(f *pflag.FlagSet) {
		f.Var(&c.progress, "progress", "how to show progress: auto, bar, plain, json or none")
		ownVerbose(a, f)
	})
	return cmd
}

func ec2Verify(ctx context.Context, a *app, c *ec2ReadConfig) error {
	b, err := c.load()
	if err != nil {
		return err
	}
	defer b.Close()
	m := b.Manifest()
	what := "digests"
	show, made := c.show(a, b)
	defer show.close()
	if c.key == "" {
		err = b.VerifyParts(ctx, made)
	} else {
		what = "digests and image"
		key, kerr := ec2.LoadPrivateKey(c.key)
		if kerr != nil {
			return kerr
		}
		err = b.Read(ctx, key, func([]byte, int64) error { return nil }, made)
	}
	show.close()
	if err != nil {
		return damaged(a, c.manifest, err)
	}
	if a.quiet {
		return nil
	}
	_, err = fmt.Fprintf(a.stdout, "ok: %s of %s, %s: %s\n", plural(int64(len(m.Parts)), "part"), printable(m.Name), formatSize(m.Size), c.checked(what))
	return err
}
