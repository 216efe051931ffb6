package filter

import "bytes"

// HeadSize is how many bytes from the front of a file KeyKind needs.
const HeadSize = 512

// KeyKind says which private key a file begins with, or "". head is HeadSize bytes of it or more; the first line that is no comment
// decides. If PEM says that a key may follow another block, as in a file with a certificate and its key, head must be all of the file.
func KeyKind(head []byte) string {
	starts := func(text string) bool { return bytes.HasPrefix(head, []byte(text)) }
	switch {
	case PEM(head):
		return pemKind(head)
	case starts("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----"), starts("SSH PRIVATE KEY FILE FORMAT 1.1\n"):
		return "private SSH key"
	case starts("PuTTY-User-Key-File-"):
		return "PuTTY key"
	case starts("\xfe\xed\xfe\xed"), starts("\xce\xce\xce\xce"): // the magic numbers of JKS and JCEKS
		return "Java key store"
	case isPKCS12(head):
		return "PKCS #12 key store"
	case isAge(head):
		return "age secret key"
	}
	return ""
}

// PEM says whether a file is made of PEM blocks, with or without what "openssl pkcs12" prints before each.
func PEM(head []byte) bool {
	return bytes.HasPrefix(head, []byte("-----BEGIN ")) || bytes.HasPrefix(head, []byte("Bag Attributes"))
}

// pemKind says which private key a text of PEM blocks holds, or "".
func pemKind(text []byte) string {
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
