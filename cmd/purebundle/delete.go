package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"purebundle/chunk"
	"purebundle/chunk/s3"
)

func newDelete(a *app) *cobra.Command {
	c := &readConfig{}
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete [flags] s3://BUCKET/DIR",
		Short: "Remove a bundle from S3",
		Long: `Remove the bundle at s3://BUCKET/DIR, or at s3://BUCKET/DIR/NAME.manifest.json: its
manifest first, then its digests and parts. Nothing else is removed. It asks before
it does so; where there is no terminal to ask at, --yes is needed.

With -p, what a broken upload of that bundle has left goes as well.`,
		Example: `  purebundle delete s3://my-bucket/web-2026-11-22
  purebundle delete --yes -p web s3://my-bucket/all`,
		Args:              argsBetween(1, 1, "s3://BUCKET/DIR"),
		ValidArgsFunction: a.completeBundles(&c.s3),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !s3.IsURL(args[0]) {
				return withHint(usagef("delete %s: no place in S3", args[0]), "a bundle in S3 is written s3://BUCKET/DIR; one in a directory is removed by rm")
			}
			if err := c.s3.valid(cmd.Name()); err != nil {
				return err
			}
			return deleteBundle(cmd.Context(), a, args[0], c, yes)
		},
	}
	group(cmd, "What to do", func(f *pflag.FlagSet) {
		f.StringVarP(&c.prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
		f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	})
	c.s3.readFlags(cmd)
	return cmd
}

func deleteBundle(ctx context.Context, a *app, url string, c *readConfig, yes bool) error {
	if !yes && !isTerminal(a.stdin) {
		return withHint(usagef("delete %s: there is no terminal to ask at", url), "--yes deletes without asking")
	}
	store, prefix, err := a.inS3(ctx, url, c.prefix, &c.s3)
	if err != nil {
		return err
	}
	b, err := load(ctx, store, prefix)
	what := ""
	switch {
	case err == nil:
		m := b.Manifest()
		prefix = m.Prefix
		what = fmt.Sprintf("%s, %s, made %s on %s", plural(int64(len(m.Parts)), "part"), formatSize(b.Size()), m.Created.Format("2006-01-02 15:04"), m.Host)
		_ = b.Close() // only read from
	case prefix == "" || ctx.Err() != nil || !errors.Is(err, chunk.ErrNoBundle) && !errors.Is(err, chunk.ErrDamaged):
		return err
	default: // what is left of one
		what = "no whole bundle"
	}
	name := bundleURL(store.Location(), prefix)
	if !yes {
		answer, err := a.ask(ctx, fmt.Sprintf("delete %s (%s)? [y/N] ", printable(name), printable(what)))
		if err != nil {
			return err
		}
		if !answer {
			return fmt.Errorf("delete %s: not confirmed; nothing was deleted", name)
		}
	}
	switch err := store.Delete(ctx, prefix); {
	case errors.Is(err, chunk.ErrNoBundle):
		return err
	case err != nil:
		return &leftError{err: err, left: "some of it may be left: delete it again with -p " + prefix}
	}
	if a.quiet {
		return nil
	}
	_, err = fmt.Fprintf(a.stdout, "deleted: %s (%s)\n", printable(name), printable(what))
	return err
}

// isTerminal says whether there is a person at an end of ours.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// ask puts a question to the person at the terminal; only y and yes are yes. The
// reading goes on in the background where ctx is done first.
func (a *app) ask(ctx context.Context, question string) (bool, error) {
	fmt.Fprint(a.stderr, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.stdin).ReadString('\n') // its end is a no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return false, &leftError{err: context.Cause(ctx), left: "nothing was deleted"}
	case line := <-answer:
		return line == "y" || line == "yes", nil
	}
}
