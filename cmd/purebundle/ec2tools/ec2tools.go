package ec2tools

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk/ec2"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
)

// oldNames maps the names of programs, by which purebundle may be called, to the
// commands that do their work.
var oldNames = map[string]string{
	"ec2-bundle-vol":       "bundle-vol",
	"ec2-bundle-image":     "bundle-image",
	"ec2-unbundle":         "unbundle",
	"ec2-migrate-manifest": "migrate-manifest",
	"ec2-upload-bundle":    "upload-bundle",
	"ec2-download-bundle":  "download-bundle",
	"ec2-delete-bundle":    "delete-bundle",
	"ec2-migrate-bundle":   "migrate-bundle", // which only says what there is instead
}

// CommandLine gives the arguments of run for argv. By an old tool's name, they
// are those of its command; what is there already is then replaced, as that tool did.
func CommandLine(argv []string) []string {
	if len(argv) == 0 {
		return nil
	}
	name := filepath.Base(argv[0])
	if name == "ec2-ami-tools-version" {
		return []string{"--version"}
	}
	command, old := oldNames[name]
	if !old {
		return argv[1:]
	}
	args := []string{"ec2", command, "--force"}
	if command == "unbundle" && !slices.ContainsFunc(argv[1:], certificate) {
		args = append(args, "--signature", string(sigNone)) // that tool has no -c
	}
	return slices.Concat(args, argv[1:])
}

// certificate says whether an argument is the flag of a certificate, or about signatures.
func certificate(arg string) bool {
	return strings.HasPrefix(arg, "-c") || strings.HasPrefix(arg, "--c") || strings.HasPrefix(arg, "--sig")
}

// New returns the command that has those for Amazon's bundles.
func New(a *cli.App) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ec2",
		Short: "Make and read Amazon's instance-store bundles",
		Long: `Make and read bundles in the format of Amazon's instance-store AMIs: encrypted
parts of 10 MiB and a signed manifest, NAME.manifest.xml.

The commands take the options of the tools that they replace: ec2-bundle-vol,
ec2-bundle-image, ec2-unbundle, ec2-migrate-manifest, and ec2-upload-bundle,
ec2-download-bundle and ec2-delete-bundle for S3. A symbolic link of such a name to
purebundle is that tool ("make install-ec2" makes the links); what is there already
is then replaced, once the new is whole.`,
		Example: `  sudo purebundle ec2 bundle-vol -k pk.pem -c cert.pem -u 123456789012 -d /mnt/bundle
  purebundle ec2 bundle-image -i root.img -k pk.pem -c cert.pem -u 123456789012 -d out
  purebundle ec2 verify -m out/root.img.manifest.xml -c cert.pem
  purebundle ec2 unbundle -m out/root.img.manifest.xml -s out -k pk.pem -c cert.pem -d .`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			var names []string
			for _, c := range cmd.Commands() {
				names = append(names, c.Name())
			}
			err := cli.Usagef("ec2 %s: unknown command", args[0])
			if near := cli.Nearest(args[0], names); near != "" {
				return cli.WithHint(err, "did you mean \"purebundle ec2 %s\"?", near)
			}
			return cli.WithHint(err, "the commands are %s", strings.Join(names, ", "))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBundleVol(a), newBundleImage(a), newUnbundle(a), newVerify(a), newMigrate(a),
		newUpload(a), newDownload(a), newDelete(a), newMigrateBundle())
	for _, c := range cmd.Commands() {
		abbreviate(c.Flags())
	}
	return cmd
}

// newMigrateBundle returns the command of a tool that was given up before the others:
// it says what does its work.
func newMigrateBundle() *cobra.Command {
	return &cobra.Command{
		Use: "migrate-bundle", Hidden: true, DisableFlagParsing: true,
		RunE: func(*cobra.Command, []string) error {
			return cli.WithHint(cli.Usagef("ec2-migrate-bundle: is not made; three others do its work"),
				"purebundle ec2 download-bundle, migrate-manifest with --ec2cert, and upload-bundle to the other bucket")
		},
	}
}

// abbreviate lets long options be cut if no other begins like that, as the old
// tools do: --dest for --destination.
func abbreviate(f *pflag.FlagSet) {
	var names []string
	f.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	f.SetNormalizeFunc(func(_ *pflag.FlagSet, word string) pflag.NormalizedName {
		var meant []string
		for _, name := range names {
			if name == word {
				return pflag.NormalizedName(word)
			}
			if strings.HasPrefix(name, word) {
				meant = append(meant, name)
			}
		}
		if len(meant) == 1 && len(word) > 1 {
			return pflag.NormalizedName(meant[0])
		}
		return pflag.NormalizedName(word)
	})
}

// noArguments refuses arguments: the old tools have options only.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return cli.WithHint(cli.Usagef("%s: %s: an argument without an option", cmd.Name(), args[0]), "%s --help lists the options", cmd.CommandPath())
	}
	return nil
}

// ownVerbose keeps -v free for --volume: with the same long name, the flag of
// the root is not inherited.
func ownVerbose(a *cli.App, f *pflag.FlagSet) {
	f.BoolVar(&a.Verbose, "verbose", false, "say more; explain errors")
	f.BoolVar(&a.Verbose, "debug", false, "the same")
}

// oldSwitches adds options of the old tools that ask for what is so anyway.
func oldSwitches(f *pflag.FlagSet) {
	f.Bool("batch", false, "ask nothing")
	f.Bool("manual", false, "show help")
	f.Bool("version", false, "print the version")
}

// unlessSwitch returns the run of a command that an old switch may end before it
// begins.
func unlessSwitch(a *cli.App, run func(cmd *cobra.Command) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		if done, err := oldSwitch(a, cmd); done {
			return err
		}
		return run(cmd)
	}
}

// oldSwitch does what --version and --manual ask for.
func oldSwitch(a *cli.App, cmd *cobra.Command) (done bool, err error) {
	if on, _ := cmd.Flags().GetBool("version"); on {
		_, err := a.Stdout.Write([]byte("purebundle " + a.VersionText() + "\n"))
		return true, err
	}
	if on, _ := cmd.Flags().GetBool("manual"); on {
		return true, cmd.Help()
	}
	return false, nil
}

// Options holds what the commands that make a bundle have in common.
type Options struct {
	key, cert, user, ec2cert string

	dest, Prefix, Arch string
	force, trusted     bool
	level              int
	progress           progress.Mode

	Kernel, Ramdisk string
	mappings        []string // VIRTUAL=DEVICE
	productCodes    []string
}

// IdentityFlags adds the flags about key, certificates and account, without the letters
// of Amazon's tools.
func (c *Options) IdentityFlags(f *pflag.FlagSet) { c.identityFlags(f, "", "", "") }

// oldIdentityFlags adds them with those letters.
func (c *Options) oldIdentityFlags(f *pflag.FlagSet) { c.identityFlags(f, "k", "c", "u") }

func (c *Options) identityFlags(f *pflag.FlagSet, key, cert, user string) {
	f.StringVarP(&c.key, "privatekey", key, "", "RSA private key of the user, PEM `FILE`")
	f.StringVarP(&c.cert, "cert", cert, "", "X.509 certificate of the user, PEM `FILE`")
	f.StringVarP(&c.user, "user", user, "", "account `NUMBER`: 12 digits")
	f.StringVar(&c.ec2cert, "ec2cert", "", "X.509 certificate of EC2, PEM `FILE` (default: where the old tools have it)")
}

func (c *Options) machineFlags(f *pflag.FlagSet) {
	f.StringVarP(&c.Arch, "arch", "r", "", "`ARCH`: i386 or x86_64 (default: this machine's)")
	f.StringVar(&c.Kernel, "kernel", "", "`ID` of the kernel image")
	f.StringVar(&c.Ramdisk, "ramdisk", "", "`ID` of the RAM disk image")
	f.StringSliceVarP(&c.mappings, "block-device-mapping", "B", nil, "`VIRTUAL=DEVICE` list, as in ami=sda1,ephemeral0=sdb")
	f.StringSliceVar(&c.productCodes, "productcodes", nil, "product `CODES`, separated by commas")
}

func (c *Options) outputFlags(f *pflag.FlagSet) {
	cli.DirVarP(f, &c.dest, "destination", "d", "", "`DIR` for the bundle, made if missing (default: "+defaultDestText+")")
	cli.TrustFlag(f, &c.trusted)
	f.BoolVar(&c.force, "force", false, "replace a bundle of that name, once the new one is complete")
	f.IntVar(&c.level, "level", ec2.DefaultLevel, "gzip level `N`, 1 (fast) to 9 (small)")
	f.Var(&c.progress, "progress", "how to show progress: auto, bar, plain, json or none")
}

// Manifest returns what the options say of the manifest, checked.
func (c *Options) Manifest(version string) (*ec2.Manifest, error) {
	user, err := ec2.CheckUser(c.user)
	if err != nil {
		return nil, cli.WithHint(&cli.UsageError{Err: fmt.Errorf("--user: %w", err)}, "\"aws sts get-caller-identity\" tells the number of the account")
	}
	if err := c.machine(); err != nil {
		return nil, err
	}
	m := &ec2.Manifest{
		Bundler: ec2.Bundler{Name: "purebundle", Version: version, Release: "1"},
		Arch:    c.Arch, User: user, Kernel: c.Kernel, Ramdisk: c.Ramdisk, ProductCodes: trimmed(c.productCodes),
	}
	for _, s := range trimmed(c.mappings) {
		virtual, device, ok := strings.Cut(s, "=")
		if !ok || virtual == "" || device == "" {
			return nil, cli.WithHint(cli.Usagef("--block-device-mapping %s: no VIRTUAL=DEVICE", s), "write it as in ami=sda1,root=/dev/sda1,ephemeral0=sdb")
		}
		m.Mappings = append(m.Mappings, ec2.Mapping{Virtual: virtual, Device: device})
	}
	return m, nil
}

// machine completes and checks the architecture.
func (c *Options) machine() error {
	if c.Arch == "" {
		c.Arch = map[string]string{"amd64": "x86_64", "386": "i386"}[runtime.GOARCH]
	}
	if c.Arch != "i386" && c.Arch != "x86_64" {
		return cli.WithHint(cli.Usagef("--arch %q: the format knows i386 and x86_64 only", c.Arch), "give one of them with -r")
	}
	return nil
}

// trimmed drops white space around the items of a list, and empty ones.
func trimmed(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.TrimSpace(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}
