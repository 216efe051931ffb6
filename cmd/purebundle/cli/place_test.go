package cli

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestPlace(t *testing.T) {
	for place, hint := range map[string]string{
		"s3:/b/x":                      "did you mean s3://b/x?",
		"s3:b/x":                       "did you mean s3://b/x?",
		"s3//b/x":                      "did you mean s3://b/x?",
		"S3://b/x":                     "did you mean s3://b/x?",
		" s3://b/x":                    "did you mean s3://b/x?",
		"s3a://b/x":                    "did you mean s3://b/x?",
		"s3n://b/x/":                   "did you mean s3://b/x?",
		"arn:aws:s3:::b/x":             "did you mean s3://b/x?",
		"https://b.s3.amazonaws.com/x": "did you mean s3://b/x?",
		"https://b.c.s3.eu-west-1.amazonaws.com/x/y": "did you mean s3://b.c/x/y?",
		"https://b.s3-eu-west-1.amazonaws.com":       "did you mean s3://b?",
		"http://s3.amazonaws.com/b/x":                "did you mean s3://b/x?",
		"https://s3.cn-north-1.amazonaws.com.cn/b/x": "did you mean s3://b/x?",
		"https://minio.example.org:9000/b/x":         "did you mean --endpoint-url https://minio.example.org:9000 s3://b/x?",
		"gs://b/x":                                   "did you mean --endpoint-url https://storage.googleapis.com s3://b/x?",
		"file:///srv/x":                              "did you mean /srv/x?",
		"file:/srv/x":                                "did you mean /srv/x?",
		"ebs:web":                                    "./ebs:web",
		"esb:":                                       "./esb:",
		"backup.example.org:/srv/x":                  "./backup.example.org:/srv/x",
		"azure://b/x":                                "./azure://b/x",
	} {
		err := CheckPlace("bundle", place)
		if Status(err) != StatusUsage || !strings.Contains(HintFor(err), hint) {
			t.Errorf("%q: status %d, %v, hint %q; want a hint with %q", place, Status(err), err, HintFor(err), hint)
		}
		if CheckLocal(place) == nil {
			t.Errorf("%q is taken as a directory", place)
		}
	}
	for _, place := range []string{"", "s3://b/x", "out", "./s3:/b", "/s3:/b", "../S3://b", "s3", "s3/b", "2026-11-22T12:30", "web-2026-11-22T12:30", "a/b:c", "https"} {
		if err := CheckPlace("bundle", place); err != nil {
			t.Errorf("%q: %v", place, err)
		}
	}
	if CheckLocal("s3://b/x") == nil {
		t.Error("a place in S3 is taken as a directory")
	}
}

func TestDestIsNoManifest(t *testing.T) {
	for dest, hint := range map[string]string{
		"s3://b/x/image.manifest.json": "-p image s3://b/x",
		"s3://b/web.manifest.json":     "-p web s3://b",
		"s3://b/x/web.manifest.xml":    "-p web s3://b/x",
		"out/web.manifest.json":        "-p web out",
		"web.manifest.json":            "DEST is the directory",
		"S3://b/x":                     "did you mean s3://b/x?",
	} {
		if err := CheckDest("bundle", dest); Status(err) != StatusUsage || !strings.Contains(HintFor(err), hint) {
			t.Errorf("%q: %v, hint %q; want one with %q", dest, err, HintFor(err), hint)
		}
	}
	for _, dest := range []string{"", "out", "s3://b", "s3://b/manifest.json", "out/manifest.json"} {
		if err := CheckDest("bundle", dest); err != nil {
			t.Errorf("%q: %v", dest, err)
		}
	}
}

// Of each command that takes places in EBS, and of no other, the manual says what IAM must
// allow there.
func TestEBSCommands(t *testing.T) {
	if have, want := slices.Sorted(maps.Keys(iamEBS)), slices.Sorted(slices.Values(knowEBS)); !slices.Equal(have, want) {
		t.Errorf("%v, want %v", have, want)
	}
}
