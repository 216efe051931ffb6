package awsapi

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"

	"purebundle/chunk"
)

// maxShared is how much of a shared file is read for its s3 settings, in bytes.
const maxShared = 1 << 20

// AddressingStyle returns what a profile, "" for that of the environment, has as
// addressing_style among its s3 settings, which the SDK for Go does not read: "path",
// "virtual", "auto", or "" if it says nothing.
func AddressingStyle(profile string) (string, error) {
	files, err := sharedFiles()
	if err != nil {
		return "", err
	}
	profile = cmp.Or(profile, os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), config.DefaultSharedConfigProfile)
	style := ""
	for _, path := range append(files.config, files.credentials...) {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", &chunk.Error{Op: "open", Path: path, Err: errors.Unwrap(err)}
		}
		found := nested(io.LimitReader(f, maxShared), profile, "s3", "addressing_style")
		f.Close()
		style = cmp.Or(style, found)
	}
	switch style {
	case "", "path", "virtual", "auto":
		return style, nil
	}
	return "", &chunk.Error{Op: "profile", Path: profile, Err: errors.New("s3 addressing_style " + oneLine(style) + " is unknown"), Hint: "write path, virtual or auto"}
}

// nested returns the value of a key below another one in the section of a profile:
//
//	[profile web]
//	s3 =
//	  addressing_style = path
//
// Lines below a key begin with white space. The last value counts.
func nested(r io.Reader, profile, outer, key string) (value string) {
	section, within := false, false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		line := lines.Text()
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' || text[0] == ';' {
			continue
		}
		if text[0] == '[' {
			section, within = isProfile(text, profile), false
			continue
		}
		name, v, _ := strings.Cut(text, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		switch indented := line[0] == ' ' || line[0] == '\t'; {
		case !indented:
			within = section && name == outer && strings.TrimSpace(v) == ""
		case within && name == key:
			v, _, _ = strings.Cut(v, " #")
			v, _, _ = strings.Cut(v, " ;")
			value = strings.ToLower(strings.TrimSpace(v))
		}
	}
	return value
}

// isProfile returns true if the line that begins a section is that of a profile: its
// name or "profile" and its name, in brackets.
func isProfile(line, profile string) bool {
	name, _, _ := strings.Cut(line[1:], "]")
	name = strings.TrimSpace(name)
	if rest, ok := strings.CutPrefix(name, "profile"); ok && strings.TrimLeft(rest, " \t") != rest {
		name = strings.TrimSpace(rest)
	}
	return strings.Trim(name, `"'`) == profile
}
