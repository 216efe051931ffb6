package s3

import (
	"context"
	"errors"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

var errNotYet = errors.New("not there yet")

// Options of Open; the zero value is what most want.
type Options struct {
	awsapi.Options
	PathStyle    bool              // bucket in the path, not in the host name; on by itself where the endpoint is an IP address or localhost
	ACL          string            // canned ACL of what is put, such as aws-exec-read; "": the bucket's default
	StorageClass string            // of what is put, such as STANDARD_IA; "": STANDARD
	SSE          string            // server-side encryption of what is put: AES256, aws:kms, aws:kms:dsse; "": the bucket's default
	KMSKey       string            // key of SSE aws:kms; "": the account's
	Tags         map[string]string // of what is put
	Limit        int64             // bytes a second, up and down together; 0: none
	Workers      int               // requests in flight; 0: 4. Each upload holds one buffer of chunk.Size
}

// Store is a directory of a bucket. It is safe for concurrent use.
type Store struct{}

// Open connects to S3 as far as finding credentials. It does not look at the bucket.
func Open(ctx context.Context, loc Location, opt Options) (*Store, error) { return nil, errNotYet }

// Location is what the Store was opened with.
func (s *Store) Location() Location { return Location{} }

// In is the Store of another directory of the same bucket, with the same options.
func (s *Store) In(dir string) *Store { return s }

// Object is one object of a Store.
type Object struct {
	Name     string // relative to the directory
	Size     int64  // bytes
	SHA256   string // hexadecimal, lower case; "" where S3 does not say: a List never does, Head may
	ETag     string // as S3 gives it, without quotes
	Modified time.Time
}

// Put makes an object of body. S3 checks its SHA-256 before it exists.
func (s *Store) Put(ctx context.Context, name string, body []byte) error { return errNotYet }

// Get reads an object of at most limit bytes. An object that is not there is fs.ErrNotExist.
func (s *Store) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	return nil, errNotYet
}

// Head describes an object. One that is not there is fs.ErrNotExist.
func (s *Store) Head(ctx context.Context, name string) (Object, error) { return Object{}, errNotYet }

// List lists the objects of the directory, not those of directories in it, in
// byte order of names.
func (s *Store) List(ctx context.Context) ([]Object, error) { return nil, errNotYet }

// Dirs lists the directories in the directory, in byte order.
func (s *Store) Dirs(ctx context.Context) ([]string, error) { return nil, errNotYet }

// Remove removes objects of the directory. Ones that are not there are no error.
func (s *Store) Remove(ctx context.Context, names []string) error { return errNotYet }

// MakeBucket makes the bucket, in the region of the Store, unless it is there and one's own.
func (s *Store) MakeBucket(ctx context.Context) error { return errNotYet }

// CreateOptions of Create. Prefix must be given.
type CreateOptions struct {
	Prefix string            // see chunk.CheckPrefix
	Force  bool              // replace a bundle of that prefix, once the new one is whole
	Acked  func(bytes int64) // if not nil, told of bytes that S3 has acknowledged, from several goroutines
}

// Create begins a bundle. It refuses with chunk.ErrExists where files of the
// prefix are, unless opt.Force is set.
func (s *Store) Create(ctx context.Context, opt CreateOptions) (*Writer, error) {
	return nil, errNotYet
}

// Load opens a bundle; prefix may be "" if there is only one in the directory.
// Reads of it end when ctx is done.
func (s *Store) Load(ctx context.Context, prefix string) (*chunk.Bundle, error) {
	return nil, errNotYet
}

// UploadOptions of Upload; the zero value is what most want.
type UploadOptions struct {
	Force bool              // replace another bundle of that prefix
	Done  func(part int)    // if not nil, called after each part, sent or skipped, never twice at once
	Acked func(bytes int64) // if not nil, told of bytes that S3 has acknowledged, from several goroutines
}

// UploadStats is what an Upload did.
type UploadStats struct {
	Parts   int   // of the bundle
	Skipped int   // of them, there already
	Bytes   int64 // sent
}

// Upload copies a bundle to S3, but for parts that are there already.
func (s *Store) Upload(ctx context.Context, b *chunk.Bundle, opt UploadOptions) (UploadStats, error) {
	return UploadStats{}, errNotYet
}

// Delete removes a bundle, its manifest first.
func (s *Store) Delete(ctx context.Context, prefix string) error { return errNotYet }
