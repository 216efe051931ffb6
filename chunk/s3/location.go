package s3

import (
	"strings"
	"unicode/utf8"

	"purebundle/chunk"
)

// scheme begins the URL of a place in S3.
const scheme = "s3://"

// manifestSuffix ends the name of a manifest.
var manifestSuffix = chunk.ManifestName("")

// maxKey is the longest key of an object, in bytes (Amazon S3 User Guide,
// "Naming Amazon S3 objects").
const maxKey = 1024

// Location is a directory of a bucket.
type Location struct {
	Bucket string
	Dir    string // without slashes at its ends; "" is the bucket itself
}

// String returns the URL: s3://BUCKET/DIR.
func (l Location) String() string {
	if l.Dir == "" {
		return scheme + l.Bucket
	}
	return scheme + l.Bucket + "/" + l.Dir
}

// key returns the key of a name in the directory; of "", what all of them begin with.
func (l Location) key(name string) string {
	if l.Dir == "" {
		return name
	}
	return l.Dir + "/" + name
}

// Path returns the URL of a name in the directory.
func (l Location) Path(name string) string { return scheme + l.Bucket + "/" + l.key(name) }

// IsURL says whether s is meant to be a place in S3: it begins with "s3://".
func IsURL(s string) bool { return strings.HasPrefix(s, scheme) }

// ParseLocation reads s3://BUCKET or s3://BUCKET/DIR. A DIR that a program might
// take for another one is refused: no empty names, "." or "..", no control
// characters.
func ParseLocation(url string) (Location, error) {
	bad := func(why string) (Location, error) {
		return Location{}, &chunk.Error{Op: "open", Path: url, Err: plain(why), Hint: "such as s3://my-bucket/images/web"}
	}
	rest, ok := strings.CutPrefix(url, scheme)
	if !ok {
		return bad("does not begin with s3://")
	}
	bucket, dir, _ := strings.Cut(rest, "/")
	if why := checkBucket(bucket); why != "" {
		return bad(why)
	}
	dir = strings.TrimSuffix(dir, "/")
	if dir != "" {
		if why := checkDir(dir); why != "" {
			return bad(why)
		}
	}
	return Location{Bucket: bucket, Dir: dir}, nil
}

// ParseBundle parses the URL of a bundle: that of its directory, as ParseLocation does,
// or that of its manifest, s3://BUCKET/DIR/NAME.manifest.json, and prefix is
// then NAME, else "".
func ParseBundle(url string) (loc Location, prefix string, err error) {
	if loc, err = ParseLocation(url); err != nil {
		return loc, "", err
	}
	name := loc.Dir[strings.LastIndexByte(loc.Dir, '/')+1:]
	prefix, ok := strings.CutSuffix(name, manifestSuffix)
	if !ok || chunk.CheckPrefix(prefix) != nil {
		return loc, "", nil
	}
	loc.Dir = strings.TrimSuffix(strings.TrimSuffix(loc.Dir, name), "/")
	return loc, prefix, nil
}

// checkBucket says why there can be no bucket of that name. It is not as strict
// as AWS: other servers and old buckets have capitals, underscores and long names.
func checkBucket(s string) string {
	switch {
	case s == "":
		return "names no bucket"
	case len(s) < 3 || len(s) > 255:
		return "the name of a bucket has 3 to 63 characters"
	case strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	}):
		return "the name of a bucket is made of letters, digits, dots and hyphens"
	case strings.Trim(s, ".") == "":
		return "the name of a bucket is more than dots"
	}
	return ""
}

// checkDir says why dir cannot be a directory.
func checkDir(dir string) string {
	if len(dir) > maxKey {
		return "is too long"
	}
	for name := range strings.SplitSeq(dir, "/") {
		if why := checkName(name); why != "" {
			return why
		}
	}
	return ""
}

// checkName says why there can be no object of this name in a directory.
func checkName(name string) string {
	switch {
	case name == "":
		return "has an empty name in it"
	case name == "." || name == "..":
		return `has "` + name + `" in it`
	case strings.Contains(name, "/"):
		return "has a slash in it"
	case len(name) > maxKey:
		return "is too long"
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffe || r == 0xffff }):
		return "has a control character in it"
	}
	return ""
}
