package ec2tools

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// deleteOptions holds what the options of "ec2 delete-bundle" say.
type deleteOptions struct {
	S3Options
	manifest, prefix string
	clear, yes       bool
	batch            bool // asks nothing, and so needs yes
}

func newDelete(a *cli.App) *cobra.Command {
	c := &deleteOptions{S3Options: S3Options{progress: progress.None}}
	cmd := &cobra.Command{
		Use:   "delete-bundle [flags]",
		Short: "Remove a bundle from S3 (ec2-delete-bundle)",
		Long: `Remove a bundle of Amazon's format from S3: its manifest, then the parts that it
names, and nothing else; without a manifest, as an upload that broke leaves it, what
is named as its parts are. It asks before it does so, at a terminal or a pipe that
says y. If nothing is there, that is no error. An image that was registered from the
bundle can no longer start: deregister it first.`,
		Example: `  purebundle ec2 delete-bundle -b my-bucket/images -p image
  purebundle ec2 delete-bundle -b my-bucket/images -m web.manifest.xml -y --clear`,
		Args: noArguments,
		RunE: unlessSwitch(a, func(cmd *cobra.Command) error {
			c.batch, _ = cmd.Flags().GetBool("batch")
			return deleteBundle(cmd.Context(), a, c)
		}),
	}
	cli.Group(cmd, "The bundle", func(f *pflag.FlagSet) {
		f.StringVarP(&c.manifest, "manifest", "m", "", "`NAME.manifest.xml` in the bucket")
		f.StringVarP(&c.prefix, "prefix", "p", "", "`NAME` of the bundle, in the place of --manifest")
		f.BoolVar(&c.clear, "clear", false, "remove the bucket as well, if nothing else is in it")
		f.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
		f.Bool("force", false, "no effect: nothing is replaced")
	})
	c.flags(a, cmd, c.s3.ReadFlags)
	return cmd
}

func deleteBundle(ctx context.Context, a *cli.App, c *deleteOptions) error {
	if c.manifest == "" && c.prefix == "" {
		return cli.WithHint(cli.Usagef("--manifest (-m) or --prefix (-p) is needed"), "-p image is the bundle with image.manifest.xml")
	}
	prefix, err := prefixOf(c.manifest, c.prefix)
	if err != nil {
		return err
	}
	if !c.yes && c.batch && cli.IsTerminal(a.Stdin) {
		return cli.WithHint(cli.Usagef("delete-bundle %s: --batch asks nothing", prefix), "--yes (-y) deletes without asking")
	}
	store, err := c.open(ctx, a, "delete-bundle", confine.Rest{})
	if err != nil {
		return err
	}
	t, err := findTarget(ctx, store, prefix)
	if err != nil {
		return err
	}
	if err := c.delete(ctx, a, store, t); err != nil || !c.clear {
		return err
	}
	return store.RemoveBucket(ctx)
}

// target is what is to be deleted.
type target struct {
	name     string        // for people
	what     string        // the same
	manifest *ec2.Manifest // nil if there is none
	prefix   string
	parts    []string // without a manifest
}

// findTarget looks for a bundle, or for its parts.
func findTarget(ctx context.Context, store *s3.Store, prefix string) (target, error) {
	t := target{prefix: prefix, name: store.Location().Path(ec2.ManifestName(prefix)), what: "nothing is there"}
	count := func(parts int, bytes int64) string {
		return fmt.Sprintf("%s, %s", words.Plural(int64(parts), "part"), words.Size(bytes))
	}
	b, err := OpenRemote(ctx, store, prefix)
	if err == nil {
		t.manifest = b.Manifest()
		t.what = count(len(t.manifest.Parts), t.manifest.BundledSize)
		return t, nil
	}
	if !errors.Is(err, chunk.ErrNoBundle) {
		return t, err
	}
	if _, raw := store.Head(ctx, chunk.ManifestName(prefix)); raw == nil {
		return t, cli.WithHint(err, "%s is of a raw bundle: \"purebundle delete\" removes it", chunk.ManifestName(prefix))
	}
	rest, err := store.Remains(ctx, prefix)
	if len(rest) > 0 {
		t.name = store.Location().Path(prefix + ".part.*")
		t.parts, t.what = rest[0].Names, count(len(rest[0].Names), rest[0].Bytes)+", no manifest"
	}
	return t, err
}

// delete asks, and deletes.
func (c *deleteOptions) delete(ctx context.Context, a *cli.App, store *s3.Store, t target) error {
	if !c.yes && (t.manifest != nil || len(t.parts) > 0) {
		if err := a.Confirm(ctx, t.name, t.what); err != nil {
			return err
		}
	}
	var err error
	if t.manifest != nil {
		err = Remove(ctx, store, t.prefix, t.manifest)
	} else {
		err = store.Remove(ctx, t.parts)
	}
	if err != nil || a.Quiet {
		return err
	}
	did := "deleted: "
	if t.manifest == nil && len(t.parts) == 0 {
		did = "nothing to delete: "
	}
	_, err = fmt.Fprintf(a.Stdout, "%s%s (%s)\n", did, words.Printable(t.name), t.what)
	return err
}

// Remove removes a bundle, its manifest first.
func Remove(ctx context.Context, store *s3.Store, prefix string, m *ec2.Manifest) error {
	if err := store.Remove(ctx, []string{ec2.ManifestName(prefix)}); err != nil {
		return err
	}
	var names []string
	for _, p := range m.Parts {
		names = append(names, p.Name)
	}
	if err := store.Remove(ctx, names); err != nil {
		return cli.AddHint(fmt.Errorf("the manifest is gone, but not all parts are: %w", err),
			"purebundle delete --parts -p %s %s removes them", words.Quote(prefix), words.Quote(store.Location().String()))
	}
	return nil
}
