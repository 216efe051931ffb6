package look

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"purebundle/chunk/ebs"
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
		Use:   "doctor [flags] [s3://BUCKET/DIR] [ebs:[SNAPSHOT]]",
		Short: "Say in one page what a report needs: program, machine, mounts, start, S3, EBS",
		Long: `Say in one page what this program and this machine are, what the mounts below / are
to it, whether a machine would start from a disk made of /, and, if a place in S3 is
given, whether that answers; with ebs: whether EBS does, or a snapshot there. Nothing
is written, and no key is shown; paths, names of disks and findings are: read it before
you send it with a report.`,
		Example: `  sudo purebundle doctor
  sudo purebundle doctor s3://my-bucket/web > page.txt
  sudo purebundle doctor --region eu-west-1 ebs:`,
		Args: cli.ArgsBetween(0, 2, "s3://BUCKET/DIR and ebs:"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := access.Check(cmd, args...); err != nil {
				return err
			}
			rows := [][2]string{{"purebundle", a.VersionText()}, {"machine", machineLine()}, {"run by", fmt.Sprintf("uid %d", os.Geteuid())}}
			asked, err := askPlaces(cmd.Context(), a, &access, args) // before check gives up the network
			if err != nil {
				return err
			}
			rows = append(rows, asked...)
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

// askPlaces says of each place whether it answers, which a clock that is wrong prevents, too.
func askPlaces(ctx context.Context, a *cli.App, access *cli.S3, places []string) (rows [][2]string, err error) {
	for _, place := range places {
		if ebs.IsPlace(place) {
			rows = append(rows, answers("EBS", func() (string, error) { return askEBS(ctx, a, access, place) }))
			continue
		}
		loc, err := s3.ParseLocation(place)
		if err != nil {
			return nil, &cli.UsageError{Err: err}
		}
		rows = append(rows, answers("S3", func() (string, error) {
			store, err := access.Open(ctx, a, loc)
			if err == nil {
				_, err = store.Dirs(ctx)
			}
			return loc.String() + " answers", err
		}))
	}
	return rows, nil
}

// askEBS says that EBS answers, or a snapshot there, and what it does not allow.
func askEBS(ctx context.Context, a *cli.App, access *cli.S3, place string) (string, error) {
	id, err := ebs.ParsePlace(place)
	if err != nil {
		return "", err
	}
	client, err := access.EBS(ctx, a)
	if err != nil {
		return "", err
	}
	if id != "" {
		_, err := client.Open(ctx, id)
		return place + " answers in " + client.Region(), err
	}
	mayRead, err := client.Ask(ctx)
	if err == nil && !mayRead {
		return "answers in " + client.Region() + ", but lets these credentials read no snapshots (ebs:ListSnapshotBlocks)", nil
	}
	return "answers in " + client.Region(), err
}

// answers returns the row about a service: what ask says and how long it took, or what
// went wrong.
func answers(name string, ask func() (string, error)) [2]string {
	began := time.Now()
	text, err := ask()
	if err == nil {
		return [2]string{name, fmt.Sprintf("%s, after %d ms; it finds the clock right", text, time.Since(began).Milliseconds())}
	}
	text = words.Printable(err.Error())
	if hint := cli.HintFor(err); hint != "" {
		text += " (" + words.Printable(hint) + ")"
	}
	return [2]string{name, text}
}

// sayError says what went wrong with one part of the page; the others follow.
func sayError(a *cli.App, part string, err error) {
	if err != nil {
		fmt.Fprintf(a.Stdout, "%s: %s\n", part, words.Printable(err.Error()))
	}
}
