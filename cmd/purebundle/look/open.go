package look

import (
	"context"
	"errors"
	"strings"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
)

// inS3 connects to the bundle at an s3:// URL and says which one of its directory
// is meant: prefix may be given apart, or be "" if there is only one.
func inS3(ctx context.Context, a *cli.App, url, prefix string, c *cli.S3) (*s3.Store, string, error) {
	loc, name, err := s3.ParseBundle(url)
	if err != nil {
		return nil, "", &cli.UsageError{Err: err}
	}
	switch {
	case name != "" && prefix != "" && name != prefix:
		return nil, "", cli.Usagef("%s: is the manifest of %q, not of %q", url, name, prefix)
	case name != "":
		prefix = name
	case prefix != "":
		if err := chunk.CheckPrefix(prefix); err != nil {
			return nil, "", &cli.UsageError{Err: err}
		}
	}
	store, err := c.Open(ctx, a, loc)
	return store, prefix, err
}

// OpenBundle opens BUNDLE for reading: a directory, a manifest, or either in S3; or a
// snapshot, which is chunk.ErrNoBundle if it has no manifest.
func OpenBundle(ctx context.Context, a *cli.App, path, prefix string, c *cli.S3) (*chunk.Bundle, error) {
	switch {
	case ebs.IsPlace(path):
		s, err := c.OpenSnapshot(ctx, a, path)
		if err != nil {
			return nil, err
		}
		b, err := s.Bundle(ctx)
		if err == nil && prefix != "" && prefix != b.Manifest().Prefix {
			err = cli.Usagef("%s: holds the bundle %q, not %q", path, b.Manifest().Prefix, prefix)
		}
		if err != nil {
			s.Close()
			return nil, err
		}
		return b, nil
	case !s3.IsURL(path):
		return chunk.Load(path, prefix)
	}
	store, prefix, err := inS3(ctx, a, path, prefix, c)
	if err != nil {
		return nil, err
	}
	return load(ctx, store, prefix)
}

// load opens a bundle in S3. If it is one in Amazon's format, the error says so.
func load(ctx context.Context, store *s3.Store, prefix string) (*chunk.Bundle, error) {
	b, err := store.Load(ctx, prefix)
	if !errors.Is(err, chunk.ErrNoBundle) {
		return b, err
	}
	objects, _ := store.List(ctx) // the error is another one
	for _, o := range objects {
		name, xml := strings.CutSuffix(o.Name, ec2.ManifestName(""))
		if xml && (prefix == "" || prefix == name) {
			return nil, cli.WithHint(err, "%s is of a bundle in Amazon's format: \"purebundle ec2 download-bundle\" and \"delete-bundle\" know it", o.Name)
		}
	}
	if rest, _ := store.Remains(ctx, prefix); len(rest) > 0 {
		return nil, cli.WithHint(err, "there are parts of %s but no manifest: the upload was broken off, or goes on; \"purebundle delete --parts\" removes them", rest[0].Prefix)
	}
	return nil, err
}

// full returns what JSON calls a BUNDLE: its absolute path, or its URL.
func full(path string) chunk.Path {
	if s3.IsURL(path) || ebs.IsPlace(path) {
		return chunk.Path(path)
	}
	return chunk.Path(cli.Absolute(path))
}

// workers returns how many parts are read at once; 0: as many as there are processors.
func workers(c *cli.S3, path string) int {
	if s3.IsURL(path) {
		return c.Concurrency
	}
	return 0
}
