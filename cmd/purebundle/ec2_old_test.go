package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/chunk/s3/s3test"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/ec2tools"
	"purebundle/ext2img/imgtest"
)

// oldRuns are command lines of Amazon's tools (1.5.3), one after the other, with the
// exit status that those have and ours, and the files of which they then say they are
// there: below the working directory, or in the bucket B. A status that is not 0 is 1
// for a parameter, 2 for a file, 3 for S3, 254 for what they did not expect; ours is 1,
// or 2 for the command line. What is 0 there is 0 here.
var oldRuns = []struct {
	args     string
	old, now int
	files    string
}{
	{"ec2-bundle-vol -k pk.pem -c cert.pem -u 12345 -v TREE -d out --no-inherit --ec2cert ec2.pem", 1, 2, "!out/image.manifest.xml !out/image.part.0"},
	{"ec2-bundle-vol -k none.pem -c cert.pem -u 123456789012 -v TREE -d out --no-inherit --ec2cert ec2.pem", 1, 1, "!out/image.manifest.xml !out/image.part.0"},
	{"ec2-bundle-vol -k pk.pem -c cert.pem -u 123456789012 -v TREE -d out -s 20000 --no-inherit --ec2cert ec2.pem", 1, 2, "!out/image.manifest.xml !out/image.part.0"},
	{"ec2-bundle-vol -c cert.pem -u 123456789012 -v TREE -d out --ec2cert ec2.pem", 1, 2, "!out/image.manifest.xml !out/image.part.0"},
	{"ec2-bundle-vol -k pk.pem -c cert.pem -u 123456789012 -v TREE -d out -s 64 -r x86_64 --no-inherit --ec2cert ec2.pem", 0, 0,
		"out/image.manifest.xml out/image.part.0 out/image.part.1"},
	{"ec2-unbundle -m out/image.manifest.xml -s out -k pk.pem -d .", 0, 0, "image"},
	{"ec2-unbundle -m out/image.manifest.xml -s out -k other.pem -d bad", 254, 1, "!bad/image"},
	{"ec2-unbundle -m out/none.manifest.xml -s out -k pk.pem", 1, 1, ""},
	{"ec2-bundle-image -k pk.pem -c cert.pem -u 1234-5678-9012 -i image -d two -r i386 --ec2cert ec2.pem", 0, 0, "two/image.manifest.xml two/image.part.0"},
	{"ec2-bundle-image -k pk.pem -c cert.pem -u 123456789012 -i image -d two -r i386 -p web.1 --ec2cert ec2.pem", 0, 0, "two/web.1.manifest.xml two/web.1.part.0"},
	{"ec2-bundle-image -k pk.pem -c cert.pem -u 123456789012 -i none -d two -r i386 --ec2cert ec2.pem", 1, 1, ""},
	{"ec2-migrate-manifest -k pk.pem -c cert.pem -m two/web.1.manifest.xml --no-mapping --ec2cert ec2.pem", 0, 0, "two/web.1.manifest.xml.bak"},
	{"ec2-migrate-manifest -k pk.pem -c cert.pem -m two/web.1.manifest.xml --region us-west-1 -a ID -s SECRET --ec2cert ec2.pem", 0, 0, ""},
	{"ec2-upload-bundle -b B/x -m out/image.manifest.xml -a ID -s SECRET --url URL --region REGION", 0, 0, "B/x/image.manifest.xml B/x/image.part.0 B/x/image.part.1"},
	{"ec2-upload-bundle -b B/x -m out/image.manifest.xml -a ID -s SECRET --url URL --region REGION --batch --retry", 0, 0, ""},
	{"ec2-upload-bundle -b B/y -m out/image.manifest.xml --part 01 --skipmanifest --url URL --region REGION", 0, 0, "B/y/image.part.1 !B/y/image.part.0 !B/y/image.manifest.xml"},
	{"ec2-upload-bundle -b B/x -m out/none.manifest.xml --url URL --region REGION", 1, 1, ""},
	{"ec2-upload-bundle -b B/x -m out/image.manifest.xml --url URL --region REGION --acl nonsense", 1, 2, ""},
	{"ec2-upload-bundle -m out/image.manifest.xml --url URL --region REGION", 1, 2, ""},
	{"ec2-download-bundle -b B/x -m image.manifest.xml -k pk.pem -d back --url URL --region REGION", 0, 0, "back/image.manifest.xml back/image.part.0 back/image.part.1"},
	{"ec2-download-bundle -b B/x -k pk.pem -d back --url URL --region REGION", 0, 0, ""},
	{"ec2-download-bundle -b B/x -p none -k pk.pem -d back --url URL --region REGION", 3, 1, ""},
	{"ec2-delete-bundle -b B/x -p image -m out/web.manifest.xml -y --url URL --region REGION", 1, 2, "B/x/image.part.0"},
	{"ec2-delete-bundle -b B/x -y --url URL --region REGION", 1, 2, "B/x/image.part.0"},
	{"ec2-delete-bundle -b B/x -m out/image.manifest.xml -y --url URL --region REGION", 0, 0, "!B/x/image.manifest.xml !B/x/image.part.0 !B/x/image.part.1"},
	{"ec2-delete-bundle -b B/y -p image -y --url URL --region REGION", 0, 0, "!B/y/image.part.1"},
	{"ec2-delete-bundle -b B/y -p image -y --clear --url URL --region REGION", 0, 0, "!B"},
	{"ec2-delete-bundle -b B/y -p image -y --url URL --region REGION", 3, 1, ""},
	{"ec2-delete-bundle --version", 0, 0, ""}, {"ec2-bundle-vol --manual", 0, 0, ""}, {"ec2-unbundle -h", 0, 0, ""},
	{"ec2-unbundle --nonsense", 1, 2, ""},
}

// By the old names, what was a success is one, and makes files of the same names; what
// was none is none.
func TestOldRuns(t *testing.T) {
	imgtest.NeedTool(t, "openssl")
	server := s3test.Start(t)
	bucket := server.Bucket(t)
	for name, value := range map[string]string{"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"} {
		t.Setenv(name, value)
	}
	server.Setenv(t)
	tree := t.TempDir()
	fillFile(t, filepath.Join(tree, "data"), 12<<20)
	t.Chdir(t.TempDir())
	for _, dir := range []string{"out", "bad", "two", "back"} { // those tools make none
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, who := range []struct{ key, cert, bits string }{{"pk.pem", "cert.pem", "2048"}, {"pk-ec2.pem", "ec2.pem", "1024"}, {"other.pem", "other-cert.pem", "2048"}} {
		if out, err := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:"+who.bits, "-nodes", "-keyout", who.key, "-out", who.cert,
			"-days", "1", "-subj", "/CN=x").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	words := strings.NewReplacer("URL", server.Endpoint, "REGION", server.Region, "TREE", tree, "ID", server.Access, "SECRET", server.Secret)
	there := func(name string) bool {
		if name == "B" || strings.HasPrefix(name, "B/") {
			name = filepath.Join(server.Dir, bucket, name[1:])
		}
		_, err := os.Lstat(name)
		return err == nil
	}
	for _, r := range oldRuns {
		args := strings.Fields(words.Replace(r.args))
		if i := slices.Index(args, "-b"); i >= 0 {
			args[i+1] = bucket + strings.TrimPrefix(args[i+1], "B")
		}
		code, stdout, stderr := call(ec2tools.CommandLine(args)...)
		if code != r.now || (code == cli.StatusDone) != (r.old == 0) {
			t.Errorf("%s: status %d, want %d (there %d)\n%s%s", r.args, code, r.now, r.old, stdout, stderr)
		}
		for _, name := range strings.Fields(r.files) {
			if want := strings.TrimPrefix(name, "!"); there(want) == (want != name) {
				t.Errorf("%s: %s", r.args, name)
			}
		}
	}
}
