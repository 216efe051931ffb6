package ec2tools

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/work"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// downloadOptions is what the options of "ec2 download-bundle" say.
type downloadOptions struct {
	S3Options
	manifest, prefix, dir string
}

func newDownload(a *cli.App) *cobra.Command {
	c := &downloadOptions{S3Options: S3Options{progress: progress.Auto}}
	cmd := &cobra.Command{
		Use:   "download-bundle [flags]",
		Short: "Fetch a bundle from S3 (ec2-download-bundle)",
		Long: `Fetch a bundle of Amazon's format from S3 into the directory --directory. Size and
digest of each part are checked; the bundle appears only when all of them are right.`,
		Example: `  purebundle ec2 download-bundle -b my-bucket/images -p image -d /mnt/bundle
  purebundle ec2 download-bundle -b my-bucket/images -m web.manifest.xml -d .`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if done, err := oldSwitch(a, cmd); done {
				return err
			}
			return downloadBundle(cmd.Context(), a, c)
		},
	}
	cli.Group(cmd, "The bundle", func(f *pflag.FlagSet) {
		f.StringVarP(&c.manifest, "manifest", "m", "", "`NAME.manifest.xml` in the bucket")
		f.StringVarP(&c.prefix, "prefix", "p", "", "`NAME` of the bundle, in the place of --manifest (default image)")
		f.StringVarP(&c.dir, "directory", "d", ".", "`DIR` for the bundle (made if missing)")
		f.BoolVar(&c.Force, "force", false, "replace a bundle of that name, once the new one is complete")
		f.StringP("privatekey", "k", "", "no effect: `FILE` of a key, which manifests needed before version 3")
	})
	c.flags(a, cmd, c.s3.ReadFlags)
	return cmd
}

// prefixOf is the name of a bundle, from a manifest's or given itself.
func prefixOf(manifest, prefix string) (string, error) {
	if manifest != "" {
		name, ok := strings.CutSuffix(filepath.Base(manifest), ec2.ManifestName(""))
		if !ok {
			return "", cli.WithHint(cli.Usagef("--manifest %s: is no manifest of Amazon's format", manifest), "its name is NAME.manifest.xml")
		}
		if prefix != "" && prefix != name {
			return "", cli.Usagef("--manifest %s and --prefix %s: not the same bundle", manifest, prefix)
		}
		prefix = name
	}
	if err := ec2.CheckPrefix(prefix); err != nil {
		return "", &cli.UsageError{Err: err}
	}
	return prefix, nil
}

func downloadBundle(ctx context.Context, a *cli.App, c *downloadOptions) error {
	if c.manifest == "" && c.prefix == "" {
		c.prefix = "image"
	}
	prefix, err := prefixOf(c.manifest, c.prefix)
	if err != nil {
		return err
	}
	store, err := c.open(ctx, a, "download-bundle")
	if err != nil {
		return err
	}
	began := time.Now()
	m, text, err := RemoteManifest(ctx, store, prefix)
	if err != nil {
		return err
	}
	out, err := newDownloadDir(c.dir, c.Force, m, ec2.ManifestName(prefix))
	if err != nil {
		return err
	}
	defer out.close()
	show, made := c.startParts(a, m, progress.Downloading)
	defer show.Close()
	err = work.Each(ctx, transfers(c.s3.Concurrency), numbersFrom(0, len(m.Parts)), func(ctx context.Context, i int) error {
		name := m.Parts[i].Name
		body, err := store.Get(ctx, name, PartSize(m, i))
		if err == nil {
			err = checkPart(m, i, ObjectURL(store.Location(), name), body)
		}
		if err != nil {
			return err
		}
		made(len(body))
		return out.write(name, body)
	})
	if err == nil {
		err = out.write(ec2.ManifestName(prefix), text)
	}
	if err == nil {
		err = out.install()
	}
	show.Close()
	if err != nil || a.Quiet {
		return err
	}
	seconds := time.Since(began).Seconds()
	manifest := filepath.Join(c.dir, ec2.ManifestName(prefix))
	return cli.PrintRows(a.Stdout, [][2]string{
		{"downloaded", fmt.Sprintf("%s, %s", words.Plural(int64(len(m.Parts)), "part"), words.Size(m.BundledSize))},
		{"manifest", words.Printable(manifest)},
		{"time", fmt.Sprintf("%s, %s", words.Seconds(seconds), words.Rate(float64(m.BundledSize)/max(seconds, 0.001)))},
		{"next", "purebundle ec2 unbundle -m " + words.Quote(manifest) + " -k KEY -c CERT -d ."},
	})
}

// downloadDir is the directory that a bundle is fetched into. Nothing outside of
// it can be reached through a name, nor through a symbolic link in it.
type downloadDir struct {
	root  *os.Root
	path  string
	names []string // of the bundle, the manifest last
}

func newDownloadDir(path string, force bool, m *ec2.Manifest, manifest string) (*downloadDir, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("mkdir %s: %w", path, errors.Unwrap(err))
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Unwrap(err))
	}
	d := &downloadDir{root: root, path: path}
	for _, p := range m.Parts {
		d.names = append(d.names, p.Name)
	}
	d.names = append(d.names, manifest)
	for _, name := range d.names {
		if _, err := root.Lstat(name); !errors.Is(err, fs.ErrNotExist) && !force {
			root.Close()
			return nil, &chunk.Error{Op: "download", Path: filepath.Join(path, name), Err: chunk.ErrExists}
		}
	}
	return d, nil
}

// write makes a file under its temporary name.
func (d *downloadDir) write(name string, body []byte) error {
	_ = d.root.Remove(chunk.TempName(name)) // of a run that was killed
	f, err := d.root.OpenFile(chunk.TempName(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = f.Write(body)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Join(d.path, name), err)
	}
	return nil
}

// install gives the files their names. Of a bundle that is replaced, the manifest
// goes first.
func (d *downloadDir) install() error {
	manifest := d.names[len(d.names)-1]
	if err := d.root.Remove(manifest); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", filepath.Join(d.path, manifest), err)
	}
	for _, name := range d.names {
		if err := d.root.Rename(chunk.TempName(name), name); err != nil {
			return fmt.Errorf("rename %s: %w", filepath.Join(d.path, name), err)
		}
	}
	return nil
}

// close removes what has no name yet.
func (d *downloadDir) close() {
	for _, name := range d.names {
		_ = d.root.Remove(chunk.TempName(name)) // gone already, or as good as it gets
	}
	d.root.Close()
}
