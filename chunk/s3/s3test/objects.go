package s3test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Path returns the file of an object.
func (s *Server) Path(bucket, key string) string {
	return filepath.Join(s.Dir, bucket, filepath.FromSlash(key))
}

// Keys returns the keys of all objects of a bucket, sorted, read from the disk.
// Uploads that were not finished are not among them. What goes away meanwhile is
// no error.
func (s *Server) Keys(t testing.TB, bucket string) []string {
	t.Helper()
	var keys []string
	root := filepath.Join(s.Dir, bucket)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != root {
			return nil
		}
		if err != nil {
			return err
		}
		key := filepath.ToSlash(strings.TrimPrefix(path, root+"/"))
		if d.IsDir() && slices.Contains(s.Make.own, key) {
			return fs.SkipDir
		}
		if !d.IsDir() {
			keys = append(keys, key)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// Read returns the content of an object, read from the disk.
func (s *Server) Read(t testing.TB, bucket, key string) []byte {
	t.Helper()
	b, err := os.ReadFile(s.Path(bucket, key))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Flip inverts the bits of one byte of an object behind the server's back: its
// checksum stays that of the older content.
func (s *Server) Flip(t testing.TB, bucket, key string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(s.Path(bucket, key), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b, offset); err != nil {
		t.Fatal(err)
	}
	s.rest()
}

// Truncate cuts an object to size bytes behind the server's back.
func (s *Server) Truncate(t testing.TB, bucket, key string, size int64) {
	t.Helper()
	if err := os.Truncate(s.Path(bucket, key), size); err != nil {
		t.Fatal(err)
	}
	s.rest()
}

// Remove takes an object away behind the server's back.
func (s *Server) Remove(t testing.TB, bucket, key string) {
	t.Helper()
	if err := os.Remove(s.Path(bucket, key)); err != nil {
		t.Fatal(err)
	}
	s.rest()
}

// rest returns when the server believes the files again.
func (s *Server) rest() { time.Sleep(2 * s.Make.stale) }
