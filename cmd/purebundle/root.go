package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/ec2tools"
	"purebundle/cmd/purebundle/look"
	"purebundle/cmd/purebundle/manual"
	"purebundle/cmd/purebundle/ship"
)

// version and commit are set by the Makefile (-ldflags -X).
var (
	version = "0.1.0-dev"
	commit  = ""
)

// run runs the program and returns its exit status: all but os.Exit, which would skip
// defers, and what concerns the whole process.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := cli.WithSignals(context.Background())
	defer stop()
	return runApp(ctx, cli.NewApp(args, stdin, stdout, stderr), args)
}

// runApp does what the arguments say and returns the exit status.
func runApp(ctx context.Context, a *cli.App, args []string) int {
	a.Version, a.Commit = version, commit
	root := newRoot(a)
	root.SetArgs(args)

	err := recovered(func() error { return root.ExecuteContext(ctx) })
	if err != nil && ctx.Err() != nil {
		err = cli.Interrupted(ctx, err)
	}
	a.Report(err)
	return cli.Status(err)
}

// recovered calls f and makes an error of a panic. Goroutines carry theirs to
// whoever waits for them (work.Catch, walker.Walk), so they end here as well.
func recovered(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = cli.Recovered(v)
		}
	}()
	return f()
}

// newRoot builds the command tree.
func newRoot(a *cli.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "purebundle",
		Short: "Bundle a live root file system into exact 10 MiB parts",
		Long: `purebundle turns a live Linux root file system into an ext4 image cut into
parts of exactly 10 MiB. It needs no rsync, no mke2fs, no loop mount and no
scratch space, and it reads bundles back: verify, unbundle, ls, cat.`,
		Example: `  sudo purebundle bundle / /mnt/bundle
  sudo purebundle mounts /
  purebundle verify /mnt/bundle
  cat /mnt/bundle/image.part.* > image      # a bundle is its image, in order`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE:          func(cmd *cobra.Command, args []string) error { return runRoot(a, cmd, args) },
	}
	root.SetIn(a.Stdin)
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(cli.FlagError)
	root.SetUsageFunc(cli.PrintUsage)
	root.SetHelpFunc(cli.PrintHelp)
	root.PersistentFlags().BoolVarP(&a.Quiet, "quiet", "q", false, "print nothing but errors")
	root.PersistentFlags().BoolVarP(&a.Verbose, "verbose", "v", false, "say more; explain errors")
	cli.HelpFlags(root)
	// Not cobra's own: with a template for it, the linker keeps every method there
	// is, 7 MiB of them in the EC2 SDK (cobra v1.10.2).
	root.Flags().Bool("version", false, "print the version")

	root.AddCommand(
		create.New(a), look.NewMounts(a), look.NewDoctor(a), look.NewCheck(a), look.NewVerify(a), look.NewUnbundle(a), look.NewLs(a), look.NewCat(a),
		look.NewUpload(a), look.NewDownload(a), look.NewDelete(a), ship.NewRegister(a), ship.New(a), ec2tools.New(a), cli.NewCompletion(a), cli.NewMan(a),
	)
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	for _, cmd := range root.Commands() {
		cli.WrapArgs(cmd)
	}
	return root
}

// sayFirst says what to type first, for a program that is told nothing.
func sayFirst(a *cli.App) error {
	for _, part := range []struct {
		head string
		rows [][2]string
	}{
		{"purebundle turns a live Linux machine into an ext4 image, in parts of exactly 10 MiB.\n\nFirst:", [][2]string{
			{"  sudo purebundle bundle", "what would become of it; nothing is written"},
			{"  sudo purebundle bundle / DEST", "make it; DEST: directory or s3://BUCKET/DIR"},
			{"  purebundle verify --deep DEST", "check it: all digests, and its file system"},
		}},
		{"\nThen:", [][2]string{
			{"  purebundle ls DEST /etc", "look inside; cat prints a file"},
			{"  purebundle unbundle DEST IMAGE", "the image; or: cat DEST/image.part.* > IMAGE"},
			{"  purebundle doctor", "this machine in one page, for a report"},
			{"  purebundle --help", "all commands, each of which has --help"},
			{"  purebundle help TOPIC", strings.Join(topics(), ", ")},
		}},
	} {
		for line := range strings.Lines(part.head) {
			if _, err := fmt.Fprint(a.Stdout, a.Paragraph("", strings.TrimSuffix(line, "\n"))); err != nil {
				return err
			}
		}
		if err := cli.PrintRows(a.Stdout, part.rows); err != nil {
			return err
		}
	}
	return nil
}

// topics returns those of the manual.
func topics() (list []string) {
	for _, p := range manual.All() {
		list = append(list, p.Topic)
	}
	return list
}

// otherWords maps what other programs call a command to its name here.
var otherWords = map[string]string{
	"backup": "bundle", "snapshot": "bundle", "create": "bundle", "make": "bundle", "image": "bundle", "dump": "bundle",
	"restore": "unbundle", "extract": "unbundle", "join": "unbundle", "export": "unbundle",
	"cp": "upload", "copy": "upload", "put": "upload", "push": "upload", "sync": "upload", "get": "download", "fetch": "download", "pull": "download",
	"rm": "delete", "remove": "delete", "del": "delete", "list": "ls", "dir": "ls", "show": "cat",
	"test": "verify", "fsck": "verify", "ami": "register", "publish": "ship", "df": "mounts",
}

// help shows the help of a command, or a page of the manual.
func help(a *cli.App, root *cobra.Command, args []string) error {
	target, _, err := root.Find(args)
	if err == nil && (target != root || len(args) == 0) {
		return target.Help()
	}
	if page, found := manual.Find(args[0]); found && len(args) == 1 {
		return page.Write(a.Stdout, a.Columns())
	}
	return cli.WithHint(cli.Usagef("help %s: no such command or topic", strings.Join(args, " ")), "the topics are %s", strings.Join(topics(), ", "))
}

// runRoot does what "purebundle" without a subcommand does: it shows help, or
// returns an error that names the subcommand that was probably meant.
func runRoot(a *cli.App, cmd *cobra.Command, args []string) error {
	if on, _ := cmd.Flags().GetBool("version"); on {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "purebundle %s\n", a.VersionText())
		return err
	}
	if len(args) == 0 {
		return sayFirst(a)
	}
	if args[0] == "help" {
		return help(a, cmd, args[1:])
	}
	names := []string{}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	err := cli.Usagef("%s: unknown command", args[0])
	near := otherWords[args[0]]
	if near == "" {
		near = cli.Nearest(args[0], names)
	}
	if near != "" {
		return cli.WithHint(err, "did you mean \"purebundle %s\"?", near)
	}
	return cli.WithHint(err, "the commands are %s", strings.Join(names, ", "))
}
