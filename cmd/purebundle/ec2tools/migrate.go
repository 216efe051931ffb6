package ec2tools

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk/dir"
	"purebundle/chunk/ec2"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

func newMigrate(a *cli.App) *cobra.Command {
	c := &Options{progress: progress.None}
	var manifest, region string
	var noMapping bool
	cmd := &cobra.Command{
		Use:   "migrate-manifest [flags]",
		Short: "Sign a manifest anew for another region (ec2-migrate-manifest)",
		Long: `Write the manifest of a bundle anew: its key encrypted for the EC2 certificate of
another region, with that region's kernel and RAM disk, and signed. The parts
stay as they are. The old manifest is kept beside it, with .bak after its name.`,
		Example: `  purebundle ec2 migrate-manifest -m image.manifest.xml -k pk.pem -c cert.pem \
      --ec2cert cert-ec2-west.pem --kernel aki-0a1b2c3d --ramdisk ari-0a1b2c3d`,
		Args: noArguments,
		RunE: unlessSwitch(a, func(cmd *cobra.Command) error {
			given := cmd.Flags().Changed
			if err := lookedUp(a, region, c.ec2cert, given); err != nil {
				return err
			}
			return migrate(a, c, manifest, given, noMapping)
		}),
	}
	cli.Group(cmd, "The bundle", func(f *pflag.FlagSet) {
		f.StringVarP(&manifest, "manifest", "m", "", "manifest `FILE`, NAME.manifest.xml")
		f.StringVarP(&c.key, "privatekey", "k", "", "RSA private key of the user, PEM `FILE`")
		f.StringVarP(&c.cert, "cert", "c", "", "X.509 certificate of the user, PEM `FILE`")
		f.StringVar(&c.ec2cert, "ec2cert", "", "X.509 certificate of EC2 in the region, PEM `FILE` (default: where the old tools have it)")
	})
	cli.Group(cmd, "The machine", func(f *pflag.FlagSet) {
		c.machineFlags(f)
		f.BoolVar(&noMapping, "no-mapping", false, "drop kernel and RAM disk that are not given")
		f.StringVar(&region, "region", "", "no effect: nothing is looked up for a `REGION`")
		f.StringP("access-key", "a", "", "no effect: `ID` of a key for that")
		f.StringP("secret-key", "s", "", "no effect: secret `KEY` for that; anybody on the machine can read it in the process list")
	})
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		cli.TrustFlag(f, &c.trusted)
		f.Bool("force", false, "no effect: the old manifest is always kept")
		ownVerbose(a, f)
		oldSwitches(f)
	})
	return cmd
}

// lookedUp says that nothing is looked up for a region: that it has other kernels, or
// another certificate, must be told.
func lookedUp(a *cli.App, region, ec2cert string, given func(flag string) bool) error {
	if own := ownCerts[region]; own != "" && ec2cert == "" {
		return cli.WithHint(cli.Usagef("--region %s: EC2 has a certificate of its own there, and --ec2cert names none", region),
			"it came with the old tools as %s", filepath.Join(filepath.Dir(certName), own))
	}
	if (region != "" || given("access-key") || given("secret-key")) && !a.Quiet {
		a.Say("warning: --region, --access-key and --secret-key have no effect: kernel and RAM disk are those of --kernel and --ramdisk, or as they were")
	}
	return nil
}

// ownCerts are the regions whose certificate of EC2 is not certName, with its name.
var ownCerts = map[string]string{"us-gov-west-1": "cert-ec2-gov.pem", "cn-north-1": "cert-ec2-cn-north-1.pem"}

func migrate(a *cli.App, c *Options, path string, given func(flag string) bool, noMapping bool) error {
	if path == "" {
		return cli.WithHint(cli.Usagef("--manifest (-m) is needed"), "give the manifest of the bundle, NAME.manifest.xml")
	}
	b, err := ec2.Load(path, "")
	if err != nil {
		return err
	}
	defer b.Close()
	old := b.Manifest()
	c.user = old.User
	if c.Arch == "" {
		c.Arch = old.Arch
	}
	keys, err := c.Keys(a)
	if err != nil {
		return err
	}
	fresh, err := c.Manifest(a.Version)
	if err != nil {
		return err
	}
	err = b.Migrate(keys, dir.FileOptions{Trusted: c.trusted}, func(m *ec2.Manifest) {
		m.User, m.Arch = fresh.User, fresh.Arch
		if given("kernel") || noMapping {
			m.Kernel = fresh.Kernel
		}
		if given("ramdisk") || noMapping {
			m.Ramdisk = fresh.Ramdisk
		}
		if given("block-device-mapping") {
			m.Mappings = fresh.Mappings
		}
		if given("productcodes") {
			m.ProductCodes = fresh.ProductCodes
		}
	})
	if err != nil || a.Quiet {
		return err
	}
	_, err = fmt.Fprintf(a.Stdout, "migrated: %s; the old one is %s.bak\n", words.Printable(path), words.Printable(path))
	return err
}
