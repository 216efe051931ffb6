package look

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
)

// NewDoctor returns the command doctor.
func NewDoctor(a *cli.App) *cobra.Command {
	var access cli.S3
	cmd := &cobra.Command{
		Use:   "doctor [flags] [s3://BUCKET/DIR]",
		Short: "Say in one page what a report needs: program, machine, mounts, start, S3",
		Long: `Say in one page what this program and this machine are, what the mounts below / are
to it, whether a machine would start from a disk made of /, and, if a place in S3 is
given, whether that answers. Nothing is written, and no key is shown; paths, names of
disks and findings are: read it before you send it with a report.`,
		Example: `  sudo purebundle doctor
  sudo purebundle doctor s3://my-bucket/web > page.txt`,
		Args: cli.ArgsBetween(0, 1, "s3://BUCKET/DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := access.Check(cmd, args...); err != nil {
				return err
			}
			rows := [][2]string{{"purebundle", a.VersionText()}, {"machine", machineLine()}, {"run by", fmt.Sprintf("uid %d", os.Geteuid())}}
			if len(args) > 0 {
				loc, err := s3.ParseLocation(args[0])
				if err != nil {
					return &cli.UsageError{Err: err}
				}
				// Before check gives up the network.
				rows = append(rows, [2]string{"S3", askS3(cmd.Context(), a, &access, loc)})
			}
			if err := cli.PrintRows(a.Stdout, rows); err != nil {
				return err
			}
			mounts, err := walker.Mounts("/", walker.Options{})
			if err == nil {
				fmt.Fprintln(a.Stdout)
				err = mountTree(mounts).write(a.Stdout, a.Columns(), "", "", "")
			}
			sayError(a, "mounts", err)
			fmt.Fprintln(a.Stdout)
			c, err := check(a, "/", bootcheck.Any)
			if err == nil {
				err = printCheck(a, c)
			}
			sayError(a, "check", err)
			return nil
		},
	}
	access.ReadFlags(cmd)
	return cmd
}

// machineLine says which kernel runs on what, and what time it is there.
func machineLine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%s %s %s, %s", unix.ByteSliceToString(u.Sysname[:]), unix.ByteSliceToString(u.Release[:]),
		unix.ByteSliceToString(u.Machine[:]), time.Now().UTC().Format(time.RFC3339))
}

// askS3 says whether a place in S3 answers, which a clock that is wrong prevents, too.
func askS3(ctx context.Context, a *cli.App, access *cli.S3, loc s3.Location) string {
	began := time.Now()
	store, err := access.Open(ctx, a, loc)
	if err == nil {
		_, err = store.Dirs(ctx)
	}
	if err == nil {
		return fmt.Sprintf("%s answers, after %d ms; it finds the clock right", loc, time.Since(began).Milliseconds())
	}
	text := words.Printable(err.Error())
	if hint := cli.HintFor(err); hint != "" {
		text += " (" + words.Printable(hint) + ")"
	}
	return text
}

// sayError says what went wrong with one part of the page; the others follow.
func sayError(a *cli.App, part string, err error) {
	if err != nil {
		fmt.Fprintf(a.Stdout, "%s: %s\n", part, words.Printable(err.Error()))
	}
}
