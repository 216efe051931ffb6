package ec2tools

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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
names, and nothing else. It asks before it does so; where there is no terminal to
ask at, --yes is needed. An image that was registered from the bundle can no longer
start: deregister it first.`,
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
	if !c.yes && (c.batch || !cli.IsTerminal(a.Stdin)) {
		return cli.WithHint(cli.Usagef("delete-bundle %s: there is no terminal to ask at, or --batch", prefix), "--yes (-y) deletes without asking")
	}
	store, err := c.open(ctx, a, "delete-bundle", confine.Rest{})
	if err != nil {
		return err
	}
	b, err := OpenRemote(ctx, store, prefix)
	if err != nil {
		return err
	}
	m := b.Manifest()
	name := ObjectURL(store.Location(), ec2.ManifestName(prefix))
	what := fmt.Sprintf("%s, %s", words.Plural(int64(len(m.Parts)), "part"), words.Size(m.BundledSize))
	if !c.yes {
		answer, err := a.Ask(ctx, fmt.Sprintf("delete %s (%s)? [y/N] ", words.Printable(name), what))
		if err != nil {
			return err
		}
		if !answer {
			return fmt.Errorf("delete %s: not confirmed; nothing was deleted", name)
		}
	}
	if err := Remove(ctx, store, prefix, m); err != nil {
		return err
	}
	if !a.Quiet {
		if _, err := fmt.Fprintf(a.Stdout, "deleted: %s (%s)\n", words.Printable(name), what); err != nil {
			return err
		}
	}
	if !c.clear {
		return nil
	}
	return store.RemoveBucket(ctx)
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
		return cli.WithHint(fmt.Errorf("the manifest is gone, but not all parts are: %w", err),
			"they are %s to %s", ObjectURL(store.Location(), names[0]), names[len(names)-1])
	}
	return nil
}
