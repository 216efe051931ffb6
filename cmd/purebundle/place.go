package main

import (
	"context"
	"errors"
	"strings"

	"purebundle/chunk"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
)

// bundleURL is BUNDLE for a bundle in S3, manifest and all.
func bundleURL(loc s3.Location, prefix string) string {
	return strings.TrimSuffix(loc.String(), "/") + "/" + chunk.ManifestName(prefix)
}

// inS3 connects to the bundle at an s3:// URL and says which one of its directory
// is meant: prefix may be given apart, or be "" where there is only one.
func (a *app) inS3(ctx context.Context, url, prefix string, c *s3Config) (*s3.Store, string, error) {
	loc, name, err := s3.ParseBundle(url)
	if err != nil {
		return nil, "", &usageError{err}
	}
	switch {
	case name != "" && prefix != "" && name != prefix:
		return nil, "", usagef("%s: is the manifest of %q, not of %q", url, name, prefix)
	case name != "":
		prefix = name
	case prefix != "":
		if err := chunk.CheckPrefix(prefix); err != nil {
			return nil, "", &usageError{err}
		}
	}
	store, err := c.open(ctx, a, loc)
	return store, prefix, err
}

// openBundle opens BUNDLE for reading: a directory, a manifest, or either in S3.
func (a *app) openBundle(ctx context.Context, path, prefix string, c *s3Config) (*chunk.Bundle, error) {
	if !s3.IsURL(path) {
		return chunk.Load(path, prefix)
	}
	store, prefix, err := a.inS3(ctx, path, prefix, c)
	if err != nil {
		return nil, err
	}
	return load(ctx, store, prefix)
}

// load opens a bundle in S3. Where there is one in Amazon's format instead, it says so.
func load(ctx context.Context, store *s3.Store, prefix string) (*chunk.Bundle, error) {
	b, err := store.Load(ctx, prefix)
	if !errors.Is(err, chunk.ErrNoBundle) {
		return b, err
	}
	objects, _ := store.List(ctx) // the error is another one
	for _, o := range objects {
		name, xml := strings.CutSuffix(o.Name, ec2.ManifestName(""))
		if xml && (prefix == "" || prefix == name) {
			return nil, withHint(err, "%s is of a bundle in Amazon's format: \"purebundle ec2 download-bundle\" and \"delete-bundle\" know it", o.Name)
		}
	}
	return nil, err
}

// workers is how many parts are read at once; 0: as many as there are processors.
func (c *s3Config) workers(path string) int {
	if s3.IsURL(path) {
		return c.concurrency
	}
	return 0
}
