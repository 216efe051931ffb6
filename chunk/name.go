package chunk

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPrefix is the longest prefix, in bytes: with our longest addition (30
// bytes, the temporary name of a manifest) it stays well below NAME_MAX (255).
const maxPrefix = 200

const (
	partInfix      = ".part."
	sumsSuffix     = ".sha256"
	manifestSuffix = ".manifest.json"
)

// CheckPrefix says why prefix cannot begin the names of a bundle, or nil.
// Letters and digits of any script and ". _ - + @ = , :" are allowed: such a
// name needs no quoting in a shell, no escape in a file of sha256sum, none in
// JSON.
func CheckPrefix(prefix string) error {
	bad := func(why string) error {
		return &Error{Op: "prefix", Path: strconv.Quote(prefix), Err: cause(why),
			Hint: "use letters, digits and . _ - + @ = , : such as web-2024.06"}
	}
	switch {
	case prefix == "":
		return bad("is empty")
	case len(prefix) > maxPrefix:
		return bad(fmt.Sprintf("is longer than %d bytes", maxPrefix))
	case prefix[0] == '.' || prefix[0] == '-':
		return bad(fmt.Sprintf("begins with %q", prefix[0]))
	case !utf8.ValidString(prefix):
		return bad("is not UTF-8")
	case strings.Contains(prefix+".", partInfix):
		// "a.part" would put a.part.part.000 among the parts of a bundle "a".
		return bad(`has ".part" in it, which marks parts`)
	}
	for _, r := range prefix {
		if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) && !strings.ContainsRune("._-+@=,:", r) {
			return bad(fmt.Sprintf("has %q in it", r))
		}
	}
	return nil
}

// PartName returns the name of part i, from 0, of a bundle of count parts. All names
// of a bundle have the same length, so that they sort as the numbers do.
func PartName(prefix string, i, count int) string {
	return fmt.Sprintf("%s%s%0*d", prefix, partInfix, partWidth(count), i)
}

// partWidth returns the number of digits in part names of a bundle of count parts.
func partWidth(count int) int {
	return max(3, len(strconv.Itoa(max(0, count-1))))
}

// SumsName returns the name of the file of digests of a bundle.
func SumsName(prefix string) string { return prefix + sumsSuffix }

// ManifestName returns the name of the manifest of a bundle.
func ManifestName(prefix string) string { return prefix + manifestSuffix }

// belongs says whether a name in a directory is taken by the bundle of prefix:
// "cat P.part.*" would read it, or it is one of the other two files.
func belongs(prefix, name string) bool {
	return name == SumsName(prefix) || name == ManifestName(prefix) ||
		strings.HasPrefix(name, prefix+partInfix)
}

// isFinal says whether name can be a file of a bundle of prefix.
func isFinal(prefix, name string) bool {
	number, ok := strings.CutPrefix(name, prefix+partInfix)
	if !ok {
		return name == SumsName(prefix) || name == ManifestName(prefix)
	}
	return len(number) >= 3 && strings.Trim(number, "0123456789") == ""
}
