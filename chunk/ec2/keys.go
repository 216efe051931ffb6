package ec2

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxPEM bounds a key or certificate file, in bytes.
const maxPEM = 1 << 20

// Hints for files that hold something else.
const (
	hintDecrypt = "the bundle tools take no passphrase: openssl pkey -in KEY -out PLAIN, keep PLAIN to yourself (chmod 600), and remove it afterwards"
	hintKey     = "give the RSA private key that goes with the X.509 certificate (PEM, PKCS #1 or PKCS #8)"
	hintCert    = "give the X.509 certificate (PEM) that goes with the private key"
)

// LoadPrivateKey reads an RSA private key, in PEM, as PKCS #1 or PKCS #8. What
// stands before and after it in the file does not matter.
func LoadPrivateKey(path string) (*rsa.PrivateKey, error) {
	data, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	key, hint, err := parseKey(data)
	return key, hinted("private key", path, err, hint)
}

// LoadCertificate reads an X.509 certificate, in PEM, and gives its RSA public
// key. Dates and issuer are not looked at: EC2's own certificate expired long ago.
func LoadCertificate(path string) (*rsa.PublicKey, error) {
	data, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	key, hint, err := parseCertificate(data)
	return key, hinted("certificate", path, err, hint)
}

func readPEM(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fail("open", path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err == nil && len(data) > maxPEM {
		err = fmt.Errorf("is longer than %d bytes: no PEM file", maxPEM)
	}
	return data, fail("read", path, err)
}

// parseKey finds the first key in data. hint goes with err.
func parseKey(data []byte) (key *rsa.PrivateKey, hint string, err error) {
	seen := ""
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		var parsed any
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY", strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return nil, hintDecrypt, errors.New("is encrypted with a passphrase")
		case block.Type == "RSA PRIVATE KEY":
			parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case block.Type == "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return nil, hintKey, fmt.Errorf("is no RSA key but %s", article(block.Type))
		default:
			seen = block.Type
			continue
		}
		if err != nil {
			return nil, hintKey, fmt.Errorf("is damaged: %w", err)
		}
		switch k := parsed.(type) {
		case *rsa.PrivateKey:
			return k, hintKey, nil
		case *ecdsa.PrivateKey:
			return nil, hintKey, errors.New("is no RSA key but an EC key")
		case ed25519.PrivateKey:
			return nil, hintKey, errors.New("is no RSA key but an Ed25519 key")
		}
		return nil, hintKey, fmt.Errorf("is no RSA key but %T", parsed)
	}
	if seen != "" {
		return nil, hintKey, fmt.Errorf("has no private key but %s", article(seen))
	}
	return nil, hintKey, errors.New("has no private key in PEM form")
}

// parseCertificate finds the first certificate in data.
func parseCertificate(data []byte) (key *rsa.PublicKey, hint string, err error) {
	seen := ""
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			seen = block.Type
			continue
		}
		public, err := publicKey(block.Bytes)
		if err != nil {
			return nil, hintCert, fmt.Errorf("is damaged: %w", err)
		}
		k, ok := public.(*rsa.PublicKey)
		if !ok {
			return nil, hintCert, fmt.Errorf("is for no RSA key but %T", public)
		}
		return k, hintCert, nil
	}
	if seen != "" {
		return nil, hintCert, fmt.Errorf("has no certificate but %s", article(seen))
	}
	return nil, hintCert, errors.New("has no certificate in PEM form")
}

// publicKey takes the key out of a certificate (RFC 5280, section 4.1) and looks
// at nothing else: certificates of the first years have serial numbers and
// names that crypto/x509 refuses.
func publicKey(der []byte) (any, error) {
	var c struct {
		TBS struct {
			Version                            int `asn1:"optional,explicit,default:0,tag:0"`
			Serial                             asn1.RawValue
			Signature, Issuer, Validity, Owner asn1.RawValue
			Key                                asn1.RawValue // SubjectPublicKeyInfo
		}
		Algorithm asn1.RawValue
		Value     asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &c); err != nil {
		return nil, err
	}
	return x509.ParsePKIXPublicKey(c.TBS.Key.FullBytes)
}

// article spells the type of a PEM block in a sentence.
func article(kind string) string {
	if kind != "" && strings.ContainsRune("AEIO", rune(kind[0])) || strings.HasPrefix(kind, "RSA") {
		return "an " + kind
	}
	return "a " + kind
}
