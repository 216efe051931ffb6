package ec2

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
)

func block8(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	must(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Keys in PKCS #1 and PKCS #8 are read; what is none says what it is instead.
func TestPrivateKeys(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	p := userPair()
	for _, c := range []struct {
		name, want string // want "": it is read
		pem        []byte
	}{
		{"PKCS #1", "", p.keyPEM},
		{"PKCS #8", "", block8(t, p.key)},
		{"text and a certificate before it", "", append(append([]byte("Bag Attributes\n"), p.certPEM...), p.keyPEM...)},
		{"encrypted, PKCS #1", "encrypted with a passphrase", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
			Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x")})},
		{"encrypted, PKCS #8", "encrypted with a passphrase", pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte("x")})},
		{"EC, PKCS #8", "is no RSA key but an EC key", block8(t, curve)},
		{"Ed25519", "is no RSA key but an Ed25519 key", block8(t, edwards)},
		{"EC", "is no RSA key but an EC PRIVATE KEY", pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: []byte("x")})},
		{"OpenSSH", "is no RSA key but an OPENSSH PRIVATE KEY", pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")})},
		{"certificate", "has no private key but a CERTIFICATE", p.certPEM},
		{"damaged", "is damaged", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte("x")})},
		{"empty", "no private key in PEM form", nil},
		{"zeros", "no PEM file", make([]byte, maxPEM+1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "pk.pem")
			must(t, os.WriteFile(path, c.pem, 0o600))
			key, err := LoadPrivateKey(path)
			checkLoad(t, err, path, c.want)
			if err == nil && !key.Equal(p.key) {
				t.Error("another key")
			}
		})
	}
	if _, err := LoadPrivateKey("/nowhere/pk.pem"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func checkLoad(t *testing.T, err error, path, want string) {
	t.Helper()
	var e *chunk.Error
	switch {
	case want == "" && err != nil, want != "" && (!errors.As(err, &e) || !strings.Contains(err.Error(), want) || e.Path != path):
		t.Errorf("%v, want %q", err, want)
	}
}

func TestCertificates(t *testing.T) {
	p := userPair()
	der, _ := pem.Decode(p.certPEM)
	odd := bytes.Replace(der.Bytes, []byte{2, 1, 1}, []byte{2, 1, 0x81}, 1) // the serial number is negative
	if _, err := x509.ParseCertificate(odd); err == nil {
		t.Error("crypto/x509 takes negative serial numbers")
	}
	for _, c := range []struct {
		name, want string
		pem        []byte
	}{
		{"RSA", "", p.certPEM},
		{"a serial number that x509 refuses", "", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: odd})},
		{"a key before it", "", append(append([]byte{}, p.keyPEM...), p.certPEM...)},
		{"key", "has no certificate but an RSA PRIVATE KEY", p.keyPEM},
		{"damaged", "is damaged", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})},
		{"empty", "no certificate in PEM form", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cert.pem")
			must(t, os.WriteFile(path, c.pem, 0o600))
			key, err := LoadCertificate(path)
			checkLoad(t, err, path, c.want)
			if err == nil && !key.Equal(&p.key.PublicKey) {
				t.Error("another key")
			}
		})
	}
}

// Keys that cannot make a bundle are known before the work.
func TestCheckKeys(t *testing.T) {
	must(t, testKeys().Check())
	mixed := testKeys()
	mixed.User = &otherPair().key.PublicKey
	if err := mixed.Check(); err == nil || !strings.Contains(err.Error(), "does not go with") {
		t.Error(err)
	}
	short := testKeys()
	short.EC2 = &rsa.PublicKey{N: new(big.Int).Rsh(short.EC2.N, 768), E: 65537}
	if err := short.Check(); err == nil || !strings.Contains(err.Error(), "certificate of EC2: ") {
		t.Error(err)
	}
}
