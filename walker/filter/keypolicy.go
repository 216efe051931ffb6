package filter

import (
	"path"
	"strings"
)

// MaxKey is the size in bytes of the largest file that is looked at for a key; minKey that of the smallest: the first line of one in PEM.
const (
	MaxKey = 64 << 10
	minKey = len("-----BEGIN PRIVATE KEY-----")
)

// Finding says what becomes of a file that is a key by its content.
type Finding int

const (
	Unasked Finding = iota // not looked for
	Stays                  // it stays, which is told
	Goes                   // it is left out
)

// Key says whether to look for a key in a regular file in a directory with the scope sc, and what becomes of the key. place is what the
// filter knows of the file's name, nil if nothing.
func (s *Set) Key(sc *Scope, place *Place, name string, perm uint32, size int64) Finding {
	switch {
	case s.choice.InForce()&Secrets == 0, sc.area&inUsr != 0, size < int64(minKey), size > MaxKey:
		return Unasked
	case place != nil && place.Take == HostKey: // decided
		return Stays
	case s.choice.GiveAway, s.choice.Keys:
		return Goes
	case isOther(name):
		return Unasked
	case sc.area&inHome != 0 && sc.area&inState == 0:
		return Goes
	}
	if sc.area&inState == 0 && perm&0o004 != 0 && !likely(name) {
		return Unasked // all that could come of it is a warning: not worth opening each small file of a data directory
	}
	return Stays
}

// likely says whether a name speaks of keys.
func likely(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".pem", ".key", ".crt", ".cer", ".p8", ".pk8", ".p12", ".pfx", ".jks", ".ppk", ".age", ".asc":
		return true
	}
	for i := range len(name) {
		for _, word := range wordsOfKeys[name[i]] {
			if hasFold(name[i:], word) {
				return true
			}
		}
	}
	return false
}

// wordsOfKeys are what names of keys hold, by their first letter in either case. Names are looked at byte by byte and copied nowhere: the
// walk asks for each of a data directory's.
var wordsOfKeys = func() (first [256][]string) {
	for _, word := range []string{"key", "priv", "secret", "cert", "ssl", "tls", "ssh", "id_"} {
		for _, b := range []byte{word[0], word[0] - 'a' + 'A'} {
			first[b] = append(first[b], word)
		}
	}
	return first
}()

// hasFold says whether text begins with a word in any case.
func hasFold(text, word string) bool {
	return len(text) >= len(word) && strings.EqualFold(text[:len(word)], word)
}

// notKeys are the ends of names whose files begin otherwise: source text, pictures, and lists of package managers. Without them the walk
// would open each of the many small files of a source tree.
const notKeys = " .c .h .cc .cpp .go .rs .py .pyc .js .mjs .ts .jsx .tsx .map .java .class .rb .pl .pm .php .html .css .scss .svg .png .jpg .gif .ico .o .a .so .mo .po " +
	".rst .list .md5sums .preinst .postinst .prerm .postrm .triggers .shlibs .symbols .conffiles .templates .gz .xz .bz2 .zst .service .timer .socket .target "

// isOther says whether a file is something other than a key by its name. So are git's compressed objects, of which a repository has many:
// the hash without its first byte.
func isOther(name string) bool {
	if ext := path.Ext(name); ext != "" && strings.Contains(notKeys, " "+ext+" ") {
		return true
	}
	return len(name) == 38 && strings.Trim(name, "0123456789abcdef") == ""
}

// NamedKey says whether a file is likely to hold a key because of its name and because only its owner reads it, or because keytabs are
// called so.
func NamedKey(name string, perm uint32) bool {
	if end := len(name) - len(".keytab"); end >= 0 && hasFold(name[end:], ".keytab") {
		return true
	}
	if perm&0o077 != 0 {
		return false
	}
	lower := strings.ToLower(name)
	if strings.HasSuffix(lower, ".pub") {
		return false
	}
	return strings.Contains(lower, "key") || strings.HasSuffix(lower, ".p12") || strings.HasSuffix(lower, ".pfx") || strings.HasSuffix(lower, ".jks")
}
