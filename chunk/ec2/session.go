package ec2

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
)

// session is the key and the initialisation vector of one bundle.
type session struct{ key, iv [16]byte }

func newSession() *session {
	s := new(session)
	_, _ = rand.Read(s.key[:]) // never fails: crypto/rand ends the program instead
	_, _ = rand.Read(s.iv[:])
	return s
}

func (s *session) block() cipher.Block {
	b, err := aes.NewCipher(s.key[:])
	if err != nil {
		panic(err) // 16 bytes are a key
	}
	return b
}

func (s *session) encrypter() cipher.BlockMode { return cipher.NewCBCEncrypter(s.block(), s.iv[:]) }
func (s *session) decrypter() cipher.BlockMode { return cipher.NewCBCDecrypter(s.block(), s.iv[:]) }

// wrap encrypts key and vector for the owner of pub. What is encrypted is not
// the 16 bytes but their 32 hexadecimal digits; the result is lower-case hex.
func (s *session) wrap(pub *rsa.PublicKey) (key, iv string, err error) {
	var out [2]string
	for i, b := range [][16]byte{s.key, s.iv} {
		//lint:ignore SA1019 the format demands PKCS #1 v1.5
		sealed, err := rsa.EncryptPKCS1v15(rand.Reader, pub, []byte(hex.EncodeToString(b[:])))
		if err != nil {
			return "", "", err
		}
		out[i] = hex.EncodeToString(sealed)
	}
	return out[0], out[1], nil
}

// unwrap undoes wrap.
func unwrap(priv *rsa.PrivateKey, key, iv string) (*session, error) {
	s := new(session)
	for _, part := range []struct {
		text string
		to   *[16]byte
	}{{key, &s.key}, {iv, &s.iv}} {
		sealed, err := hex.DecodeString(part.text)
		if err != nil {
			return nil, fmt.Errorf("the encrypted key is no hexadecimal number: %w", err)
		}
		//lint:ignore SA1019 the format demands PKCS #1 v1.5; nobody can ask this program often from afar
		digits, err := rsa.DecryptPKCS1v15(nil, priv, sealed)
		if err != nil {
			return nil, ErrKey
		}
		n, err := hex.Decode(part.to[:], digits[:min(len(digits), 32)])
		if err != nil || n != 16 || len(digits) != 32 {
			return nil, ErrKey
		}
	}
	return s, nil
}

// sign signs data: RSA, PKCS #1 v1.5, SHA-1; lower-case hex.
func sign(priv *rsa.PrivateKey, data []byte) (string, error) {
	sum := sha1.Sum(data)
	sig, err := rsa.SignPKCS1v15(nil, priv, crypto.SHA1, sum[:])
	return hex.EncodeToString(sig), err
}

// checkSignature returns ErrSignature unless text is what sign makes.
func checkSignature(pub *rsa.PublicKey, data []byte, text string) error {
	sig, err := hex.DecodeString(text)
	if err != nil {
		return ErrSignature
	}
	sum := sha1.Sum(data)
	if rsa.VerifyPKCS1v15(pub, crypto.SHA1, sum[:], sig) != nil {
		return ErrSignature
	}
	return nil
}
