package look

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker/bootcheck"
	"purebundle/walker/survey"
)

// Checked is what "check --json" prints.
type Checked struct {
	Source chunk.Path       `json:"source"`
	For    bootcheck.Target `json:"for"`
	// Disk is the disk that SOURCE's root lies on, "" if "bundle --disk" cannot make that
	// again: Why says why.
	Disk string `json:"disk"`
	Why  string `json:"why_no_disk,omitempty"`
	Boot bool   `json:"boots"` // no finding is fatal
	*bootcheck.Report
}

// NewCheck returns the command check.
func NewCheck(a *cli.App) *cobra.Command {
	var target bootcheck.Target
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [flags] [SOURCE]",
		Short: "Say whether a machine would start from a disk made of SOURCE, and where",
		Long: `Say whether a machine would start from the disk that "bundle --disk" makes of SOURCE
(default /), by which firmware, and what is to be done if not. SOURCE is only read.

Looked at are the boot loaders for BIOS and UEFI, the kernel that starts and what is in its
initrd, the command line, /etc/fstab, SELinux labels, network configuration, and what makes
a new machine's identity. What "bundle --disk" edits counts as edited. Each finding has its
name, why it matters, and the command that cures it, for a shell of root's in SOURCE:

  fatal      it does not start, or nobody can reach it
  warning    it starts, but not everywhere or not as it should
  note       good to know

A tree without a disk of its own (a chroot, a container's root) is judged as one that
gets a new disk and starts by UEFI.`,
		Example: `  sudo purebundle check
  sudo purebundle check --for aws /
  sudo purebundle check --json /srv/chroot`,
		Args: cli.ArgsBetween(0, 1, "SOURCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			source := "/"
			if len(args) > 0 {
				source = args[0]
			}
			c, err := check(a, source, target)
			if err != nil {
				return err
			}
			if asJSON {
				err = cli.PrintJSON(a.Stdout, c)
			} else if !a.Quiet {
				err = printCheck(a, c)
			}
			if err == nil && !c.Boot {
				err = &cli.IncompleteError{Text: "check " + source + ": no machine would start from it"}
			}
			return err
		},
		ValidArgsFunction: cli.CompleteDirectories,
	}
	cli.Group(cmd, "What is required", func(f *pflag.FlagSet) { create.TargetFlag(f, &target) })
	cli.Group(cmd, "The output", func(f *pflag.FlagSet) {
		f.BoolVar(&asJSON, "json", false, "print JSON")
	})
	return cmd
}

// check judges a tree.
func check(a *cli.App, source string, target bootcheck.Target) (*Checked, error) {
	if err := create.CheckSource("check", source); err != nil {
		return nil, err
	}
	c := &Checked{Source: chunk.Path(cli.Absolute(source)), For: target}
	opt := create.Options{Source: source}
	opt.Image, opt.Names, opt.Notes = create.ParamsFor(source)
	m, err := survey.Of(source)
	if err != nil {
		return nil, fmt.Errorf("check %s: %w", source, err)
	}
	c.Why = m.Why
	switch err := create.OpenDisk(&opt, create.AutoDisk); {
	case err == nil:
		defer opt.Disk.Close()
		c.Disk = opt.Disk.Path()
	case c.Why == "": // there is a disk, and it cannot be made again
		c.Why = strings.TrimPrefix(err.Error(), "bundle "+source+" --disk: ")
	}
	if c.Report, err = create.CheckBoot(&opt, target, func() { a.Confine(confine.Rest{Capabilities: []confine.Capability{confine.ReadSearch}}) }); err != nil {
		return nil, err
	}
	c.Boot = !c.Report.Fatal()
	return c, nil
}

// printCheck writes what was found, for people.
func printCheck(a *cli.App, c *Checked) error {
	disk := c.Disk
	if disk == "" {
		disk = "a new one (" + c.Why + ")"
	}
	rows := [][2]string{{"disk", disk}}
	var starts []string
	for _, s := range c.Starts {
		starts = append(starts, strings.ToUpper(s.Firmware)+" ("+s.Loader+")")
	}
	if len(starts) == 0 {
		starts = []string{"nothing that is known"}
	}
	rows = append(rows, [2]string{"starts by", strings.Join(starts, ", ")})
	if k := c.Kernel; k != nil {
		rows = append(rows, [2]string{"kernel", k.Version + ", " + k.Path}, [2]string{"initrd", initrdLine(k)})
		if k.Command != "" {
			rows = append(rows, [2]string{"command line", k.Command})
		}
	}
	for i := range rows {
		rows[i][1] = words.Printable(rows[i][1])
	}
	if err := cli.PrintRows(a.Stdout, rows); err != nil {
		return err
	}
	for _, f := range c.Findings {
		where := ""
		if f.Path != "" {
			where = " " + f.Path
		}
		text := fmt.Sprintf("\n%s %s%s\n", f.Severity, f.ID, words.Printable(where)) +
			a.Paragraph("  ", words.Printable(f.What)) + a.Paragraph("  ", "because "+words.Printable(f.Why))
		if f.Cure != "" {
			text += "  cure: " + words.Printable(f.Cure) + "\n"
		}
		if _, err := fmt.Fprint(a.Stdout, text); err != nil {
			return err
		}
	}
	if len(c.Findings) == 0 {
		_, err := fmt.Fprintf(a.Stdout, "\nnothing was found that keeps it from starting (%s)\n", c.For)
		return err
	}
	return nil
}

// initrdLine says what is known of an initrd.
func initrdLine(k *bootcheck.Booted) string {
	if k.Initrd == "" {
		return "none"
	}
	if len(k.Drivers) == 0 {
		return k.Initrd
	}
	return k.Initrd + ": with the kernel it has " + strings.Join(k.Drivers, ", ")
}
