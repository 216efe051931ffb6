package s3

import "errors"

// Location is a directory of a bucket.
type Location struct {
	Bucket string
	Dir    string // without slashes at its ends; "" is the bucket itself
}

// String is the URL: s3://BUCKET/DIR.
func (l Location) String() string { return "s3://" + l.Bucket + "/" + l.Dir }

// IsURL says whether s is meant to be a place in S3: it begins with "s3://".
func IsURL(s string) bool { return false }

// ParseLocation reads s3://BUCKET or s3://BUCKET/DIR.
func ParseLocation(url string) (Location, error) { return Location{}, errors.New("not there yet") }

// ParseBundle is ParseLocation for a place where a bundle is: the URL may also
// be that of its manifest, s3://BUCKET/DIR/NAME.manifest.json, and prefix is
// then NAME, else "".
func ParseBundle(url string) (loc Location, prefix string, err error) {
	loc, err = ParseLocation(url)
	return loc, "", err
}
