package filter

import (
	"bytes"
	"path"
	"strings"
)

// MaxKey is the size in bytes of the largest file that is looked at for a key; MinKey that of the smallest: an Ed25519 key in PEM has 119,
// an age secret key 75.
const (
	MaxKey = 64 << 10
	MinKey = 64
)

// KeyKind says which private key a file begins with, or "". head is the file's content, at least its first HeadSize bytes; the first line
// decides. If that is another PEM block, as in a file with a certificate and its key, More tells the caller to give all of the content.
func KeyKind(head []byte) string {
	first, _, _ := bytes.Cut(head, []byte("\n"))
	first = bytes.TrimRight(first, " \r")
	switch {
	case bytes.HasPrefix(first, []byte("-----BEGIN ")):
		return pemKind(first, head)
	case bytes.HasPrefix(first, []byte("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----")), bytes.HasPrefix(head, []byte("SSH PRIVATE KEY FILE FORMAT 1.1\n")):
		return "private SSH key"
	case bytes.HasPrefix(first, []byte("PuTTY-User-Key-File-")):
		return "PuTTY key"
	case bytes.HasPrefix(head, []byte{0xfe, 0xed, 0xfe, 0xed}): // java's JavaKeyStore.MAGIC
		return "Java key store"
	case isPKCS12(head):
		return "PKCS #12 key store"
	case isAge(head):
		return "age secret key"
	case bytes.HasPrefix(first, []byte("Bag Attributes")): // what openssl pkcs12 prints before each block
		return pemKind(nil, head)
	}
	return ""
}

// pemKind says which private key a text with PEM blocks holds, or "". first is its first line.
func pemKind(first, text []byte) string {
	if kind := blockKind(first); kind != "" {
		return kind
	}
	for line := range bytes.Lines(text) {
		if kind := blockKind(bytes.TrimRight(line, " \r\n")); kind != "" {
			return kind
		}
	}
	return ""
}

// blockKind says which private key begins with a line, or "".
func blockKind(line []byte) string {
	if !bytes.HasPrefix(line, []byte("-----BEGIN ")) {
		return ""
	}
	switch {
	case bytes.HasSuffix(line, []byte("OPENSSH PRIVATE KEY-----")):
		return "private SSH key"
	case bytes.HasSuffix(line, []byte("PGP PRIVATE KEY BLOCK-----")):
		return "private PGP key"
	case bytes.HasSuffix(line, []byte("PRIVATE KEY-----")):
		return "private key in PEM"
	}
	return ""
}

// isAge says whether a text is an identity of age: comments, then the key.
func isAge(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return bytes.HasPrefix(line, []byte("AGE-SECRET-KEY-"))
		}
	}
	return false
}

// isPKCS12 says whether a file is a PFX of RFC 7292 in DER or BER: SEQUENCE { version INTEGER 3, authSafe SEQUENCE { pkcs-7 data or
// signedData, … } }.
func isPKCS12(b []byte) bool {
	b, ok := enter(b)
	if !ok || !bytes.HasPrefix(b, []byte{2, 1, 3}) {
		return false
	}
	if b, ok = enter(b[3:]); !ok {
		return false
	}
	return bytes.HasPrefix(b, []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7}) // OID 1.2.840.113549.1.7.*
}

// enter returns what follows the header of a SEQUENCE.
func enter(b []byte) ([]byte, bool) {
	if len(b) < 2 || b[0] != 0x30 {
		return nil, false
	}
	n := 2
	if b[1] > 0x80 {
		n += int(b[1] & 0x7f)
	}
	if n > len(b) {
		return nil, false
	}
	return b[n:], true
}

// PEM says whether a file that is no key by its head is PEM and may hold one further on.
func PEM(head []byte) bool {
	return bytes.HasPrefix(head, []byte("-----BEGIN ")) || bytes.HasPrefix(head, []byte("Bag Attributes"))
}

// Finding says what becomes of a file that is a key by its content.
type Finding int

const (
	Unasked Finding = iota // its content must not be looked at
	Stays
	Goes
)

// Key says what becomes of a key in a directory with the scope sc. place is what the filter knows of its name.
func (s *Set) Key(sc *Scope, place *Place) Finding {
	switch {
	case s.choice.InForce()&Secrets == 0, sc.area&inUsr != 0:
		return Unasked
	case place != nil && place.Take == HostKey: // decided
		return Stays
	case s.choice.GiveAway, s.choice.Keys:
		return Goes
	case sc.area&inHome != 0 && sc.area&inState == 0:
		return Goes
	}
	return Stays
}

// notKeys are the ends of names whose files begin otherwise: source text, pictures, and lists of package managers. Without them the walk
// would open each of the many small files of a source tree.
const notKeys = " .c .h .cc .cpp .go .rs .py .pyc .js .mjs .ts .jsx .tsx .map .java .class .rb .pl .pm .php .html .css .scss .svg .png .jpg .gif .ico .o .a .so .mo .po " +
	".rst .list .md5sums .preinst .postinst .prerm .postrm .triggers .shlibs .symbols .conffiles .templates .gz .xz .bz2 .zst .service .timer .socket .target "

// Plausible says whether a regular file of this size in bytes may be a key.
func Plausible(name string, size int64) bool {
	if size < MinKey || size > MaxKey {
		return false
	}
	if ext := path.Ext(name); ext != "" && strings.Contains(notKeys, " "+ext+" ") {
		return false
	}
	return !isGitObject(name)
}

// isGitObject says whether a name is one of git's compressed objects, of which a repository has many: the hash without its first byte.
func isGitObject(name string) bool {
	return len(name) == 38 && strings.Trim(name, "0123456789abcdef") == ""
}

// NamedKey says whether a file is likely to hold a key because of its name and because only its owner reads it, or because keytabs are
// called so.
func NamedKey(name string, perm uint32) bool {
	lower := strings.ToLower(name)
	if strings.HasSuffix(lower, ".keytab") || lower == "krb5.keytab" {
		return true
	}
	if perm&0o077 != 0 || strings.HasSuffix(lower, ".pub") {
		return false
	}
	return strings.Contains(lower, "key") || strings.HasSuffix(lower, ".p12") || strings.HasSuffix(lower, ".pfx") || strings.HasSuffix(lower, ".jks")
}

// HoldsSecret says whether a keyfile of NetworkManager's (nm-settings-keyfile(5)) holds a secret. What is no such file is taken for one.
func HoldsSecret(keyfile []byte) bool {
	connection := false
	for line := range bytes.Lines(keyfile) {
		line = bytes.TrimSpace(line)
		switch {
		case bytes.Equal(line, []byte("[connection]")):
			connection = true
			continue
		case bytes.HasPrefix(line, []byte("[")):
			if bytes.Contains(line, []byte("secrets")) {
				return true
			}
			continue
		}
		key, value, _ := bytes.Cut(line, []byte("="))
		if len(bytes.TrimSpace(value)) > 0 && isSecretKey(string(bytes.TrimSpace(key))) {
			return true
		}
	}
	return !connection
}

// isSecretKey says whether a property of a connection holds a secret.
func isSecretKey(key string) bool {
	if strings.HasSuffix(key, "-flags") {
		return false
	}
	switch key {
	case "psk", "preshared-key", "pin", "private-key", "password", "password-raw", "mka-cak":
		return true
	}
	return strings.HasSuffix(key, "-password") || strings.HasPrefix(key, "wep-key") && key != "wep-key-type" || strings.Contains(key, "secret")
}
