package s3_test

import (
	"strings"
	"testing"

	"purebundle/chunk/s3"
)

func TestParseLocation(t *testing.T) {
	for _, tt := range []struct{ url, bucket, dir, prefix, fails string }{
		{"s3://bucket", "bucket", "", "", ""},
		{"s3://bucket/", "bucket", "", "", ""},
		{"s3://bucket/dir", "bucket", "dir", "", ""},
		{"s3://bucket/dir/", "bucket", "dir", "", ""},
		{"s3://bucket/dir/sub dir/ü", "bucket", "dir/sub dir/ü", "", ""},
		{"s3://My_Bucket.1/x", "My_Bucket.1", "x", "", ""},
		{"s3://bucket/web.manifest.json", "bucket", "", "web", ""},
		{"s3://bucket/a/b/web.manifest.json", "bucket", "a/b", "web", ""},
		{"s3://bucket/a/.manifest.json", "bucket", "a/.manifest.json", "", ""},
		{"s3://bucket/manifest.json", "bucket", "manifest.json", "", ""},
		{"s3://bucket/a.manifest.json/b", "bucket", "a.manifest.json/b", "", ""},
		{"/dir", "", "", "", "does not begin with s3://"},
		{"s3:/bucket", "", "", "", "does not begin with s3://"},
		{"s3://", "", "", "", "names no bucket"},
		{"s3:///dir", "", "", "", "names no bucket"},
		{"s3://ab/dir", "", "", "", "3 to 63"},
		{"s3://.../dir", "", "", "", "more than dots"},
		{"s3://buck et/dir", "", "", "", "letters, digits"},
		{"s3://bücket/dir", "", "", "", "letters, digits"},
		{"s3://bucket?x/dir", "", "", "", "letters, digits"},
		{"s3://bucket//dir", "", "", "", "empty name"},
		{"s3://bucket/dir//", "", "", "", "empty name"},
		{"s3://bucket/a//b", "", "", "", "empty name"},
		{"s3://bucket/../b", "", "", "", `".."`},
		{"s3://bucket/a/.", "", "", "", `"."`},
		{"s3://bucket/a\nb", "", "", "", "control character"},
		{"s3://bucket/a\xff", "", "", "", "UTF-8"},
		{"s3://bucket/" + strings.Repeat("a/", 600), "", "", "", "too long"},
	} {
		loc, prefix, err := s3.ParseBundle(tt.url)
		if tt.fails != "" {
			wantError(t, err, tt.fails, "such as s3://")
			continue
		}
		if err != nil || loc.Bucket != tt.bucket || loc.Dir != tt.dir || prefix != tt.prefix {
			t.Errorf("%s: %+v, %q, %v", tt.url, loc, prefix, err)
		}
		plain, err := s3.ParseLocation(loc.String())
		if err != nil || plain != loc {
			t.Errorf("%s: again, it is %+v, %v", tt.url, plain, err)
		}
	}
	if !s3.IsURL("s3://x") || s3.IsURL("/s3://x") || s3.IsURL("S3") {
		t.Error("IsURL")
	}
}
