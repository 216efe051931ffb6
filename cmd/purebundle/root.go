package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// version and commit are set by the Makefile (-ldflags -X).
var (
	version = "0.1.0-dev"
	commit  = ""
)

// app is what every subcommand is given: where to write, and how much.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	quiet, verbose bool
	jsonErrors     bool               // the error is an object of --progress json
	shown          atomic.Pointer[ui] // what shows the progress now; nil: nothing yet
}

// run is the whole program but for os.Exit, which would skip defers.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(context.Background())
	defer stop()

	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRoot(a)
	root.SetArgs(args)

	err := root.ExecuteContext(ctx)
	if err != nil && ctx.Err() != nil {
		err = interrupted(ctx, err)
	}
	a.report(err)
	return status(err)
}

// newRoot builds the command tree.
func newRoot(a *app) *cobra.Command {
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
		RunE:          runRoot,
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetUsageFunc(printUsage)
	root.SetHelpFunc(printHelp)
	root.PersistentFlags().BoolVarP(&a.quiet, "quiet", "q", false, "print nothing but errors")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "say more; explain errors")
	root.PersistentFlags().BoolP("help", "h", false, "show help")
	// Not cobra's own: with a template for it, the linker keeps every method there
	// is, 7 MiB of them in the EC2 SDK (cobra v1.10.2).
	root.Flags().Bool("version", false, "print the version")

	root.AddCommand(
		newBundle(a), newMounts(a), newVerify(a), newUnbundle(a), newLs(a), newCat(a),
		newUpload(a), newDownload(a), newDelete(a), newRegister(a), newShip(a), newEC2(a), newCompletion(a), newMan(a),
	)
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	for _, cmd := range root.Commands() {
		wrapArgs(cmd)
	}
	return root
}

// runRoot is what "purebundle" without a subcommand does: help, or an error
// that names the subcommand that was probably meant.
func runRoot(cmd *cobra.Command, args []string) error {
	if on, _ := cmd.Flags().GetBool("version"); on {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "purebundle %s\n", versionText())
		return err
	}
	if len(args) == 0 {
		return cmd.Help()
	}
	if args[0] == "help" {
		target, _, err := cmd.Find(args[1:])
		if err != nil || target == cmd && len(args) > 1 {
			return usagef("help %s: no such command", strings.Join(args[1:], " "))
		}
		return target.Help()
	}
	names := []string{}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	err := usagef("%s: unknown command", args[0])
	if near := nearest(args[0], names); near != "" {
		return withHint(err, "did you mean \"purebundle %s\"?", near)
	}
	return withHint(err, "the commands are %s", strings.Join(names, ", "))
}

// wrapArgs turns a wrong number of arguments into a usage error with the
// command's own synopsis as the hint.
func wrapArgs(cmd *cobra.Command) {
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			return nil
		}
		var usage *usageError
		if !errors.As(err, &usage) {
			err = &usageError{fmt.Errorf("%s: %w", cmd.Name(), err)}
		}
		return withHint(err, "usage: %s", cmd.UseLine())
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

// flagError explains a flag that does not parse, and names the one that was
// probably meant.
func flagError(cmd *cobra.Command, err error) error {
	if errors.Is(err, pflag.ErrHelp) {
		return err
	}
	help := cmd.CommandPath() + " --help"
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		if unknown.GetSpecifiedShortnames() != "" {
			return withHint(usagef("%s: unknown flag -%s", cmd.Name(), unknown.GetSpecifiedName()),
				"%s lists the flags", help)
		}
		name := unknown.GetSpecifiedName()
		err := usagef("%s: unknown flag --%s", cmd.Name(), name)
		if near := nearest(name, flagNames(cmd)); near != "" {
			return withHint(err, "did you mean --%s?", near)
		}
		return withHint(err, "%s lists the flags", help)
	}
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		return withHint(usagef("%s: --%s %s: %w", cmd.Name(), invalid.GetFlag().Name, invalid.GetValue(), errors.Unwrap(invalid)),
			"%s says what --%s takes", help, invalid.GetFlag().Name)
	}
	return withHint(usagef("%s: %w", cmd.Name(), err), "%s lists the flags", help)
}

// flagNames lists the flags that cmd takes, inherited ones included.
func flagNames(cmd *cobra.Command) []string {
	var names []string
	add := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return names
}

// versionText is what --version prints after the name.
func versionText() string {
	c := commit
	if info, ok := debug.ReadBuildInfo(); ok && c == "" {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				c = s.Value
			}
		}
	}
	if c == "" {
		c = "unknown"
	}
	return fmt.Sprintf("%s (commit %.12s, %s %s/%s)", version, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
