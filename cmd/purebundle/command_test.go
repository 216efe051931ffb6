package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/cli"
)

// call runs the program and gives its exit status and output.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(append([]string{}, args...), strings.NewReader(""), &out, &errs) // nil would be those of the test
	return code, out.String(), errs.String()
}

// Each mistake on the command line is status 2, one line of error and one of
// hint, and leaves DEST alone.
func TestUsageErrors(t *testing.T) {
	dest := filepath.Join(t.TempDir(), "dest")
	for _, c := range []struct {
		name        string
		args        []string
		error, hint string
	}{
		{"no DEST", []string{"bundle", "/etc"}, "1 argument given", "usage:"},
		{"an argument too many", []string{"bundle", "/etc", dest, "more"}, "more: one argument too many", "usage:"},
		{"unknown command", []string{"bundel", "/etc", dest}, "bundel: unknown command", `did you mean "purebundle bundle"?`},
		{"hopeless command", []string{"xyzzyplugh"}, "unknown command", "the commands are bundle"},
		{"near flag", []string{"bundle", "--exlude", "x"}, "unknown flag --exlude", "did you mean --exclude?"},
		{"hopeless flag", []string{"bundle", "--xyzzyplugh"}, "unknown flag --xyzzyplugh", "purebundle bundle --help"},
		{"unknown shorthand", []string{"bundle", "-Z"}, "unknown flag -Z", "--help"},
		{"flag without value", []string{"bundle", "--size"}, "needs an argument", "--help"},
		{"size of nonsense", []string{"bundle", "--size", "big", "/etc", dest}, "--size big: not a size", "--help"},
		{"size with unknown unit", []string{"bundle", "-s", "10X", "/etc", dest}, `unknown unit "X"`, "--help"},
		{"negative size", []string{"bundle", "-s", "-10M", "/etc", dest}, "negative", "--help"},
		{"size that overflows", []string{"bundle", "-s", "99999999999999999999G", "/etc", dest}, "too large", "--help"},
		{"absurd size", []string{"bundle", "-s", "60T", "/etc", dest}, "too large", "at most"},
		{"size below a part", []string{"bundle", "-s", "1M", "/etc", dest}, "too small", "10 MiB"},
		{"size of zero", []string{"bundle", "-s", "0", "/etc", dest}, "more than zero", "--help"},
		{"room of nonsense", []string{"bundle", "--free", "a lot", "/etc", dest}, "--free a lot: not a size", "--help"},
		{"long label", []string{"bundle", "--label", "seventeen-letters", "/etc", dest}, "17 bytes; a label has at most 16", "--help"},
		{"label long in bytes", []string{"bundle", "--label", "ééééééééé", "/etc", dest}, "18 bytes", "--help"},
		{"uuid of nonsense", []string{"bundle", "--uuid", "random", "/etc", dest}, "--uuid random: not a UUID", "--help"},
		{"short uuid", []string{"bundle", "--uuid", "1b4e28ba-2fa1-11d2-883f-0016d3cca42", "/etc", dest}, "not a UUID", "--help"},
		{"uuid of zeros", []string{"bundle", "--uuid", "00000000-0000-0000-0000-000000000000", "/etc", dest}, "means no UUID", "--help"},
		{"time of nonsense", []string{"bundle", "--time", "yesterday", "/etc", dest}, "--time yesterday: not a time", "--help"},
		{"progress of nonsense", []string{"bundle", "--progress", "wheel", "/etc", dest}, "choose auto, bar", "--help"},
		{"prefix with a slash", []string{"bundle", "-p", "a/b", "/etc", dest}, "prefix", "use letters"},
		{"empty prefix", []string{"bundle", "-p", "", "/etc", dest}, "is empty", "use letters"},
		{"pattern", []string{"bundle", "-e", "[", "/etc", dest}, `"["`, ""},
		{"exclude-from missing", []string{"bundle", "--exclude-from", dest + "/none", "/etc", dest}, "no such file", ""},
		{"verify without BUNDLE", []string{"verify"}, "BUNDLE needed", "usage: purebundle verify"},
		{"unbundle without IMAGE", []string{"unbundle", dest}, "BUNDLE and IMAGE needed", "usage: purebundle unbundle"},
		{"cat without PATH", []string{"cat", dest}, "BUNDLE and PATH needed", "usage: purebundle cat"},
		{"help of nothing", []string{"help", "nothing"}, "no such command or topic", "the topics are base, disk, "},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := call(c.args...)
			lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
			if code != cli.StatusUsage || stdout != "" {
				t.Errorf("status %d, stdout %q; want status %d and no output", code, stdout, cli.StatusUsage)
			}
			if !strings.HasPrefix(lines[0], "purebundle: ") || !strings.Contains(lines[0], c.error) {
				t.Errorf("error %q, want %q", lines[0], c.error)
			}
			switch {
			case len(lines) > 2:
				t.Errorf("%d lines:\n%s", len(lines), stderr)
			case c.hint != "" && (len(lines) < 2 || !strings.HasPrefix(lines[1], "hint: ") || !strings.Contains(lines[1], c.hint)):
				t.Errorf("hint %q, want %q", lines[1:], c.hint)
			}
			if _, err := os.Lstat(dest); err == nil {
				t.Error("DEST was made")
			}
		})
	}
}

// Every command has help with a synopsis, an example and the exit statuses, no
// line of it over 95 columns, and a manual page that says the same.
func TestHelp(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := call("man", dir); code != 0 {
		t.Fatal(stderr)
	}
	for _, cmd := range cli.Documented(newRoot(&cli.App{})) {
		args := append(strings.Fields(cmd.CommandPath())[1:], "--help")
		code, stdout, stderr := call(args...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: status %d, %s", args, code, stderr)
		}
		for _, want := range []string{"Usage:\n  purebundle", "Examples:\n", "Exit status:\n  0  done\n", "--quiet", "--verbose"} {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s has no %q", args, want)
			}
		}
		for line := range strings.Lines(stdout) {
			if len(line) > 96 {
				t.Errorf("%s: %d columns: %s", args, len(line)-1, line)
			}
		}
		page, err := os.ReadFile(filepath.Join(dir, "man1", cli.ManName(cmd)+".1"))
		if err != nil {
			t.Error(err)
		}
		for _, want := range []string{".TH PUREBUNDLE", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH EXAMPLES\n", ".SH EXIT STATUS\n"} {
			if !bytes.Contains(page, []byte(want)) {
				t.Errorf("%s has no %q", cli.ManName(cmd), want)
			}
		}
		if !cmd.HasSubCommands() && cmd.Name() != "completion" && !bytes.Contains(page, []byte(".SH FILES\n")) {
			t.Errorf("%s does not say what files there are", cli.ManName(cmd))
		}
		incomplete := "  3  done, but something that belongs in the image"
		f := cmd.Flags()
		makes := cmd.HasSubCommands() || f.Lookup("strict") != nil || f.Lookup("volume") != nil
		if f.Lookup("signature") != nil {
			incomplete, makes = "  3  done, but nobody checked who made the bundle", true
		} else if cmd.Name() == "check" {
			incomplete, makes = "  3  done, but no machine would start from it", true
		} else if !makes {
			incomplete = "  3  "
		}
		if bytes.Contains(page, []byte(incomplete)) != makes {
			t.Errorf("%s: %q: %v", cli.ManName(cmd), incomplete, !makes)
		}
		if cmd.Flags().Lookup("endpoint-url") != nil && !bytes.Contains(page, []byte("s3:ListBucket")) {
			t.Errorf("%s does not say what IAM must allow", cli.ManName(cmd))
		}
	}
}

// The first help of a command has at most 20 flags, and --help-all every one.
func TestHelpAll(t *testing.T) {
	flag := regexp.MustCompile(`(?m)^  (?:-., |    )--([a-z0-9-]+)`)
	for _, cmd := range cli.Documented(newRoot(&cli.App{})) {
		args := strings.Fields(cmd.CommandPath())[1:]
		_, first, _ := call(append(args, "--help")...)
		code, all, stderr := call(append(args, "--help-all")...)
		if code != 0 || stderr != "" {
			t.Errorf("%s --help-all: status %d, %s", cmd.CommandPath(), code, stderr)
		}
		if n := len(flag.FindAllString(first, -1)); n > 20 || n < 3 {
			t.Errorf("%s --help has %d flags: cli.rare says which few need", cmd.CommandPath(), n)
		}
		has := map[string]bool{}
		for _, m := range flag.FindAllStringSubmatch(all, -1) {
			has[m[1]] = true
		}
		missing := func(f *pflag.Flag) {
			if !f.Hidden && !has[f.Name] && f.Name != "help-all" {
				t.Errorf("%s --help-all lacks --%s", cmd.CommandPath(), f.Name)
			}
		}
		cmd.LocalFlags().VisitAll(missing)
		cmd.InheritedFlags().VisitAll(missing)
	}
}

// letters lists what each letter means, in every command that has it.
var letters = map[string]string{
	"0": "null", "e": "exclude", "h": "help", "i": "include", "l": "long", "n": "dry-run", "p": "prefix", "q": "quiet",
	"R": "recursive", "s": "size", "v": "verbose", "x": "one-file-system", "y": "yes",
}

// A letter means one flag in all commands but those under "ec2": the letters of
// Amazon's tools, of which some have two meanings, are there alone.
func TestLetters(t *testing.T) {
	seen := map[string]bool{}
	for _, cmd := range cli.Documented(newRoot(&cli.App{})) {
		if strings.HasPrefix(cmd.CommandPath(), "purebundle ec2") {
			continue
		}
		look := func(f *pflag.Flag) {
			if f.Shorthand == "" {
				return
			}
			seen[f.Shorthand] = true
			if letters[f.Shorthand] != f.Name {
				t.Errorf("%s: -%s is --%s, elsewhere --%s", cmd.CommandPath(), f.Shorthand, f.Name, letters[f.Shorthand])
			}
		}
		cmd.LocalFlags().VisitAll(look)
		cmd.InheritedFlags().VisitAll(look)
	}
	for letter, name := range letters {
		if !seen[letter] {
			t.Errorf("no command has -%s, which is to be --%s", letter, name)
		}
	}
}

// Told nothing, the program says what to do first; and it knows what others call things.
func TestFirstWords(t *testing.T) {
	code, stdout, stderr := call()
	if code != 0 || stderr != "" || strings.Count(stdout, "\n") > 15 || !strings.Contains(stdout, "First:\n  sudo purebundle bundle  ") {
		t.Errorf("status %d, %s\n%s", code, stderr, stdout)
	}
	for word, want := range map[string]string{"rm": "delete", "cp": "upload", "restore": "unbundle", "backup": "bundle", "snapshot": "bundle", "veryfi": "verify"} {
		if code, _, stderr := call(word, "x"); code != cli.StatusUsage || !strings.Contains(stderr, `did you mean "purebundle `+want+`"?`) {
			t.Errorf("%s: status %d, %s", word, code, stderr)
		}
	}
	names := map[string]bool{}
	for _, cmd := range newRoot(&cli.App{}).Commands() {
		names[cmd.Name()] = true
	}
	for word, command := range otherWords {
		if !names[command] || names[word] && word != command {
			t.Errorf("%s is said to mean %s", word, command)
		}
	}
}

// The manuals say what a command reads and makes, and what another does they do not.
func TestManuals(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := call("man", dir); code != 0 {
		t.Fatal(stderr)
	}
	aws, env := "AWS_PROFILE", ".SH ENVIRONMENT\n"
	for _, c := range []struct{ page, has, lacks string }{
		{"bundle", aws + "|AWS_REQUEST_CHECKSUM_CALCULATION|SOURCE_DATE_EPOCH|GOMEMLIMIT|PREFIX.sha256|/proc/self/mountinfo|nothing is left behind, but with --resume its parts|s3:DeleteObject|AWS_ENDPOINT_URL_EBS|ebs:PutSnapshotBlock|kms:CreateGrant",
			"EC2_AMITOOL_HOME|TMPDIR|ec2:RegisterImage"},
		{"mounts", "/proc/self/mountinfo", env + "|.SH IAM|PREFIX|left behind"},
		{"completion", "", env + "|.SH IAM"},
		{"verify", aws + "|AWS_RESPONSE_CHECKSUM_VALIDATION|PREFIX.manifest.json|~/.aws/config|AWS_ENDPOINT_URL_EBS|ebs:GetSnapshotBlock", "ebs:Put|AWS_REQUEST_CHECKSUM|s3:PutObject|manifest.xml|left behind|SOURCE_DATE"},
		{"upload", "s3:PutObject|the parts that were sent stay", "left behind|SOURCE_DATE"},
		{"delete", aws + "|s3:DeleteObject", "AWS_ENDPOINT_URL_EBS|ebs:|s3:PutObject|left behind"},
		{"register", "ec2:RegisterImage|AWS_ENDPOINT_URL_EBS, AWS_ENDPOINT_URL_EC2|PREFIX.manifest.xml|image/*", "s3:PutObject|manifest.json"},
		{"ship", "ec2:RegisterImage|ec2:DeregisterImage|ec2:DescribeLaunchTemplateVersions|AWS_ENDPOINT_URL_EC2|PREFIX.manifest.xml|PREFIX.manifest.json|TMPDIR|EC2_AMITOOL_HOME|cert-ec2.pem", ""},
		{"ec2-bundle-vol", "EC2_AMITOOL_HOME|GOMEMLIMIT|PREFIX.manifest.xml|TMPDIR", aws + "|.SH IAM|SOURCE_DATE"},
		{"ec2-verify", "PREFIX.manifest.xml", env + "|.SH IAM|manifest.json"},
		{"ec2-upload-bundle", "s3:CreateBucket|~/.aws/config|the parts that were sent stay", "AWS_ENDPOINT_URL_EBS|ebs:|manifest.json|TMPDIR"},
		{"ec2-migrate-manifest", "manifest.xml.bak|EC2_AMITOOL_HOME", aws + "|TMPDIR"},
	} {
		page, err := os.ReadFile(filepath.Join(dir, "man1", "purebundle-"+c.page+".1"))
		if err != nil {
			t.Error(err)
		}
		_, text, _ := strings.Cut(string(page), ".SH DESCRIPTION\n")
		if i := strings.Index(text, "\n.SH EXAMPLES\n"); i >= 0 {
			text = text[i:]
		}
		text = strings.ReplaceAll(text, `\-`, "-")
		for _, want := range strings.Split(c.has, "|") {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", c.page, want)
			}
		}
		for _, no := range strings.Split(c.lacks, "|") {
			if no != "" && strings.Contains(text, no) {
				t.Errorf("%s has %q", c.page, no)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	code, stdout, _ := call("--version")
	if code != 0 || !strings.HasPrefix(stdout, "purebundle ") || !strings.Contains(stdout, "commit") || !strings.Contains(stdout, "go1.") {
		t.Errorf("status %d, %q", code, stdout)
	}
}

// The completion scripts are made for all three shells, and complete commands,
// flags and the values of --progress.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if code, stdout, stderr := call("completion", shell); code != 0 || !strings.Contains(stdout, "purebundle") {
			t.Errorf("%s: status %d, %s", shell, code, stderr)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"ver"}, "verify"}, {[]string{"bundle", "--exc"}, "--exclude"}, {[]string{"bundle", "--progress", "p"}, "plain"},
	} {
		_, stdout, _ := call(append([]string{"__complete"}, c.args...)...)
		if !strings.Contains(stdout, c.want) {
			t.Errorf("completing %q: %q, want %q", c.args, stdout, c.want)
		}
	}
}

// With --progress json every error is an object, however early it comes, and
// nothing else is on stderr.
func TestErrorsAreJSON(t *testing.T) {
	for args, json := range map[string]bool{
		"bundle --progress json":                                    true, // no arguments
		"bundle --progress json nowhere out":                        true,
		"bundle --progress=json --sise 1 / out":                     true, // no such flag
		"bundle --size x --progress json / out":                     true, // before it was read
		"bundle --progress json --exclude-from nowhere / out":       true,
		"bundle --progress json / s3://":                            true,
		"ship --progress json / s3://bucket/{x}":                    true,
		"verify --progress json nowhere":                            true,
		"unbundle --progress json nowhere image":                    true,
		"upload --progress json nowhere s3://bucket/x":              true,
		"download --progress json nowhere out":                      true,
		"ec2 bundle-vol --progress json":                            true,
		"ec2 bundle-image --prog json":                              true,
		"ec2 unbundle --progress json -k nowhere":                   true,
		"ec2 verify --progress json":                                true,
		"ec2 upload-bundle --progress json -m nowhere.manifest.xml": true,
		"ec2 download-bundle --progress json":                       true,
		"bundle --progress json --progress plain nowhere out":       false,
		"bundle --progress plain nowhere json":                      false,
		"verify -- --progress json":                                 false,
	} {
		code, _, stderr := call(strings.Fields(args)...)
		var line struct{ Event, Text string }
		err := jsonStrict(stderr, &line)
		if code == cli.StatusDone || json != (err == nil && line.Event == "error" && line.Text != "") {
			t.Errorf("%s: status %d, %q, %v", args, code, stderr, err)
		}
	}
}

// jsonStrict reads one line that is one object.
func jsonStrict(text string, v any) error {
	if strings.Count(text, "\n") != 1 {
		return errors.New("not one line")
	}
	return json.Unmarshal([]byte(text), v)
}
