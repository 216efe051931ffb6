package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	s3Direct = "purebundle"
	s3Twice  = "bundle to disk, then PutObject one by one"
	s3Disk   = "bundle to disk alone"
	s3Dry    = "bundle --dry-run"
)

// contestG measures bundles that go to a server, with no disk in between.
func (b *bench) contestG() error {
	if err := b.room(14 * b.scale); err != nil {
		return err
	}
	t, err := b.tree("G")
	if err != nil {
		return err
	}
	defer b.drop(t)
	if err := b.contestS3(t); err != nil {
		return err
	}
	return b.contestEBS(t)
}

// contestS3 measures a bundle that goes straight to an S3 server on loopback, against
// one that is made on disk first and then sent, one part after the other, by the
// same SDK. What the server does is in the wall time alone.
func (b *bench) contestS3(t *tree) error {
	store, err := b.serve()
	if err != nil {
		b.missing = append(b.missing, "S3: "+err.Error())
		return nil
	}
	defer store.stop()

	size := int64(0) // of the parts on disk
	direct := b.bundle(s3Direct, t, nil)
	direct.argv = func(string) []string {
		return store.run(b.purebundle, "bundle", "-q", t.path, "s3://"+store.Bucket+"/dir")
	}
	direct.look = func(string, string) error { return store.holds(&size) }
	twice := b.bundle(s3Twice, t, nil)
	twice.argv = func(out string) []string {
		return store.run("/bin/sh", "-euc", `"$1" bundle -q "$2" "$3"; exec "$4" put "$5" "$3"`, "sh",
			b.purebundle, t.path, out, b.self, store.Bucket)
	}
	twice.look = func(string, string) error { return store.holds(&size) }
	disk, dry := b.bundle(s3Disk, t, nil), b.bundle(s3Dry, t, nil, "--dry-run")
	err = b.compete(&contest{title: "G, to S3 on loopback", trees: []*tree{t}, programs: []*program{direct, twice, disk, dry}})
	if err != nil {
		return err
	}
	b.atMost("G: wall straight to S3 against disk first, then one by one", 0.6, ratios(direct, twice))
	if len(dry.runs) > 0 {
		b.add("G: peak RSS straight to S3 above that of the walk (--dry-run) in MiB", "64", 64,
			[]float64{peaks(direct)[0] - peaks(dry)[0]}, "%.0f")
	}
	return nil
}

// run returns a command line with the environment of the store, whose bucket is
// emptied now.
func (s *store) run(argv ...string) []string {
	if err := s.empty(); err != nil {
		return []string{"/bin/sh", "-c", `echo "$1" >&2; exit 1`, "sh", err.Error()}
	}
	return append(append([]string{"/usr/bin/env"}, s.Env...), argv...)
}

// empty removes all objects behind the server's back.
func (s *store) empty() error {
	entries, err := os.ReadDir(s.bucketDir())
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(s.bucketDir(), e.Name())))
	}
	return err
}

// holds checks that there is a bundle, of as many bytes as the one before.
func (s *store) holds(before *int64) error {
	size, manifest := int64(0), false
	err := filepath.WalkDir(s.bucketDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		switch {
		case err != nil:
			return err
		case filepath.Base(path) == "image.manifest.json":
			manifest = true
		case info.Size() == partSize:
			size += partSize
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case !manifest || size == 0:
		return errors.New("no bundle in S3")
	case *before != 0 && size != *before:
		return fmt.Errorf("%d bytes of parts in S3, %d the other way", size, *before)
	}
	*before = size
	return nil
}
