package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// Object is one object of a Store.
type Object struct {
	Name     string // relative to the directory
	Size     int64  // bytes
	SHA256   string // hexadecimal, lower case; "" where S3 does not say: a List never does, Head may
	MD5      string // the same, as far as the ETag is one
	ETag     string // as S3 gives it, without quotes
	Modified time.Time
	Run      string // which run has put it, see runKey; "" where that is not said: a List never does
}

// List lists the objects of the directory, not those of directories in it, in
// byte order of names.
func (s *Store) List(ctx context.Context) ([]Object, error) { return s.list(ctx, "") }

// Dirs lists the directories in the directory, in byte order.
func (s *Store) Dirs(ctx context.Context) ([]string, error) {
	var dirs []string
	err := s.pages(ctx, "", func(page *s3.ListObjectsV2Output, name func(*string) (string, error)) error {
		for _, p := range page.CommonPrefixes {
			dir, err := name(p.Prefix)
			if err != nil {
				return err
			}
			if dir = strings.TrimSuffix(dir, "/"); checkName(dir) == "" {
				dirs = append(dirs, dir)
			}
		}
		return nil
	})
	slices.Sort(dirs)
	return slices.Compact(dirs), err
}

// list lists the objects whose names begin with prefix.
func (s *Store) list(ctx context.Context, prefix string) ([]Object, error) {
	var objects []Object
	err := s.pages(ctx, prefix, func(page *s3.ListObjectsV2Output, name func(*string) (string, error)) error {
		for _, o := range page.Contents {
			n, err := name(o.Key)
			if err != nil {
				return err
			}
			if checkName(n) != "" {
				continue // the marker of a directory, or a name that no bundle has
			}
			objects = append(objects, Object{Name: n, Size: aws.ToInt64(o.Size), ETag: unquote(o.ETag), Modified: aws.ToTime(o.LastModified)})
		}
		return nil
	})
	// S3 lists in order, each name once; not all that speak its API do.
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(objects, func(a, b Object) bool { return a.Name == b.Name }), err
}

// Bounds of a list, so that it ends whatever the server says.
const (
	maxListed = 1 << 21 // objects and directories
	maxPages  = 1 << 15 // S3 has 1000 objects a page
	maxIdle   = 100     // pages in a row that have nothing, or begin as the one before
)

// progress counts what a server lists.
type progress struct {
	pages, listed, idle int
	first               string // key of the page before
}

// add returns why the list is given up after this page, or nil.
func (p *progress) add(page *s3.ListObjectsV2Output) error {
	first := ""
	if len(page.Contents) > 0 {
		first = aws.ToString(page.Contents[0].Key)
	} else if len(page.CommonPrefixes) > 0 {
		first = aws.ToString(page.CommonPrefixes[0].Prefix)
	}
	p.idle++
	if first != "" && first != p.first {
		p.idle, p.first = 0, first
	}
	p.pages++
	p.listed += len(page.Contents) + len(page.CommonPrefixes)
	switch {
	case p.idle > maxIdle:
		return plain("the server does not go on with a long list")
	case p.listed > maxListed || p.pages > maxPages:
		return plain("the server lists no end of names")
	}
	return nil
}

// pages calls each for every page of what begins with prefix; name is a key
// without the directory.
func (s *Store) pages(ctx context.Context, prefix string, each func(page *s3.ListObjectsV2Output, name func(*string) (string, error)) error) error {
	dir := s.loc.key("")
	in := &s3.ListObjectsV2Input{
		Bucket: &s.loc.Bucket, Prefix: aws.String(s.loc.key(prefix)), Delimiter: aws.String("/"),
		EncodingType: types.EncodingTypeUrl, // keys that XML cannot hold
	}
	var p progress
	for {
		page, err := s.client.ListObjectsV2(awsapi.WithSubject(ctx, s.loc.Path(prefix)), in)
		if err != nil {
			return s.explain(ctx, "list", "", err)
		}
		name := func(key *string) (string, error) {
			k := aws.ToString(key)
			if page.EncodingType == types.EncodingTypeUrl {
				if k, err = url.QueryUnescape(k); err != nil {
					return "", plain("the server lists a key that makes no sense")
				}
			}
			n, ok := strings.CutPrefix(k, dir)
			if !ok {
				return "", plain("the server lists keys outside of the directory")
			}
			return n, nil
		}
		if err = each(page, name); err == nil {
			err = p.add(page)
		}
		if err != nil {
			return &chunk.Error{Op: "list", Path: s.loc.String(), Err: err}
		}
		next := aws.ToString(page.NextContinuationToken)
		if !aws.ToBool(page.IsTruncated) {
			return nil
		}
		if next == "" || next == aws.ToString(in.ContinuationToken) {
			return &chunk.Error{Op: "list", Path: s.loc.String(), Err: plain("the server does not go on with a long list")}
		}
		in.ContinuationToken = &next
	}
}

// Head describes an object. One that is not there is fs.ErrNotExist.
func (s *Store) Head(ctx context.Context, name string) (Object, error) {
	if err := s.check("look at", name); err != nil {
		return Object{}, err
	}
	var out *s3.HeadObjectOutput
	err := s.server.get(types.ChecksumModeEnabled, func(mode types.ChecksumMode) (err error) {
		out, err = s.client.HeadObject(awsapi.WithSubject(ctx, name), &s3.HeadObjectInput{
			Bucket: &s.loc.Bucket, Key: aws.String(s.loc.key(name)), ChecksumMode: mode,
		})
		return err
	})
	if err != nil {
		return Object{}, s.explain(ctx, "look at", name, err)
	}
	o := Object{Name: name, Size: aws.ToInt64(out.ContentLength), ETag: unquote(out.ETag), Modified: aws.ToTime(out.LastModified), Run: out.Metadata[runKey]}
	if out.ChecksumType != types.ChecksumTypeComposite {
		o.SHA256 = hexSum(out.ChecksumSHA256)
	}
	// Under a key of KMS or of the customer, or sent in pieces, the ETag is another.
	raw, err := hex.DecodeString(o.ETag)
	if err == nil && len(raw) == md5.Size && (out.ServerSideEncryption == "" || out.ServerSideEncryption == types.ServerSideEncryptionAes256) && out.SSECustomerAlgorithm == nil {
		o.MD5 = strings.ToLower(o.ETag)
	}
	return o, nil
}
