package cli

import (
	"errors"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ec2"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/words"
)

// elsewhere matches what begins like a URL or a host: a scheme and a slash, a plain
// word and a colon, s3 without its colon.
var elsewhere = regexp.MustCompile(`^\s*(?i:[a-z][a-z0-9+.-]*:(?:/|$)|[a-z][a-z0-9]*:|s3[an]?//)`)

// spellings lists what people write for a place, and its name here.
var spellings = []struct {
	like *regexp.Regexp
	name string
}{
	{regexp.MustCompile(`^(?i:s3[an]?)(?::/*|//+)([^/].*)$`), "s3://$1"},
	{regexp.MustCompile(`^(?i:arn:aws[a-z-]*:s3:::)(.+)$`), "s3://$1"},
	{regexp.MustCompile(`^(?i:https?)://s3(?:[.-][a-z0-9.-]+)?\.amazonaws\.com(?:\.cn)?/+([^/].*)$`), "s3://$1"},
	{regexp.MustCompile(`^(?i:https?)://([^/]+)\.s3(?:[.-][a-z0-9.-]+)?\.amazonaws\.com(?:\.cn)?/*(.*)$`), "s3://$1/$2"},
	{regexp.MustCompile(`^(?i:gs|gcs)://(.+)$`), "--endpoint-url https://storage.googleapis.com s3://$1"},
	{regexp.MustCompile(`^(?i:file):(?://(?:localhost)?)?(/.*)$`), "$1"},
}

// meant returns what a place that does not exist here was probably meant to be, ""
// if nobody can say.
func meant(place string) string {
	place = strings.TrimSpace(place)
	for _, s := range spellings {
		if at := s.like.FindStringSubmatchIndex(place); at != nil {
			return strings.TrimSuffix(string(s.like.ExpandString(nil, s.name, place, at)), "/")
		}
	}
	if u, err := url.Parse(place); err == nil && strings.HasPrefix(u.Scheme, "http") && strings.Trim(u.Path, "/") != "" {
		return "--endpoint-url " + u.Scheme + "://" + u.Host + " s3://" + strings.Trim(u.Path, "/")
	}
	return ""
}

// knowEBS lists the commands that take places in EBS.
var knowEBS = []string{"bundle", "upload", "verify", "ls", "cat", "unbundle", "download", "register", "doctor", "ship"}

// CheckPlace refuses a place that is neither one in S3 nor surely a path of this
// machine: it would be a directory with a strange name, and nothing where it was
// meant to be.
func CheckPlace(command, place string) error {
	if s3.IsURL(place) || !elsewhere.MatchString(place) {
		return nil
	}
	if ebs.IsPlace(place) && slices.Contains(knowEBS, command) {
		if _, err := ebs.ParsePlace(place); err != nil {
			return WithHint(&UsageError{Err: err}, "a snapshot is written ebs:snap-0123456789abcdef0, a new one ebs:, a path of that name %s", words.Quote("./"+place))
		}
		return nil
	}
	err := Usagef("%s %s: looks like a URL or a host, and is neither s3:// nor a path", command, place)
	if name := meant(place); name != "" {
		return WithHint(err, "did you mean %s? A path of that name is written %s", name, words.Quote("./"+place))
	}
	return WithHint(err, "a place in S3 is written s3://BUCKET/DIR, a path of that name %s", words.Quote("./"+place))
}

// CheckDest refuses what CheckPlace does, and also the name of a manifest, because
// dest is the directory that a bundle is to be in.
func CheckDest(command, dest string) error {
	if err := CheckPlace(command, dest); err != nil {
		return err
	}
	name := path.Base(dest)
	for _, suffix := range []string{chunk.ManifestName(""), ec2.ManifestName("")} {
		if prefix, ok := strings.CutSuffix(name, suffix); ok && !strings.HasSuffix(dest, "/") {
			hint := "DEST is the directory"
			if dir := strings.TrimSuffix(dest, name); dir != "" && prefix != "" {
				hint += ", and -p the name of the bundle: -p " + words.Quote(prefix) + " " + words.Quote(strings.TrimSuffix(dir, "/"))
			}
			return WithHint(Usagef("%s %s: names a manifest", command, dest), "%s", hint)
		}
	}
	return nil
}

// CheckLocal refuses what is not surely a path of this machine.
func CheckLocal(path string) error {
	if s3.IsURL(path) || elsewhere.MatchString(path) {
		return WithHint(errors.New("is no path of this machine"), "write ./%s if it is one", path)
	}
	return nil
}

// DirVarP adds a flag that names a directory of this machine.
func DirVarP(f *pflag.FlagSet, p *string, name, shorthand, value, usage string) {
	*p = value
	f.VarP((*dirValue)(p), name, shorthand, usage)
}

// dirValue is the value of such a flag.
type dirValue string

func (f *dirValue) Type() string   { return "DIR" }
func (f *dirValue) String() string { return string(*f) }

func (f *dirValue) Set(s string) error {
	*f = dirValue(s)
	return CheckLocal(s)
}
