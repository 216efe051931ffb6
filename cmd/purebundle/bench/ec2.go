package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	ec2Ours = "purebundle ec2 bundle-vol"
	ec2Hand = "tar -S, gzip -9, openssl enc, split, sha1sum"
)

// ec2Recipe makes the parts of Amazon's format from an image that is there already.
const ec2Recipe = `set -eu
	IMAGE=$1 OUT=$2
	cd "$OUT"
	mkfifo plain
	sha1sum < plain > image.sum &
	tar -S --owner 0 --group 0 -C "$(dirname "$IMAGE")" -cf - "$(basename "$IMAGE")" | tee plain | gzip -9 |
		openssl enc -e -aes-128-cbc -K 000102030405060708090a0b0c0d0e0f -iv 000102030405060708090a0b0c0d0e0f |
		split -b 10485760 -d -a 3 - image.part.
	wait
	sha1sum image.part.* > parts.sums
	rm plain
`

// contestEC2 measures Amazon's format: the tree into an image of 2 GiB, against tools
// that are given that image. gzip -9 takes minutes, so one round must do.
func (b *bench) contestEC2(t *tree) error {
	rounds := b.rounds
	defer func() { b.rounds = rounds }()
	b.rounds = min(rounds, 1)
	dir := filepath.Join(b.dir, "ec2")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			b.say("%v", err)
		}
	}()
	key, cert, err := keyPair(dir)
	if err != nil {
		return err
	}
	options := []string{"-q", "-v", t.path, "-s", "2048"}
	if _, _, err := measure(b.ctx, append([]string{b.purebundle, "ec2", "bundle-vol", "--clone-only", "-d", dir}, options...)); err != nil {
		return err
	}
	image := filepath.Join(dir, "image")
	content, err := nonZero([]string{image})
	if err != nil {
		return err
	}
	var ourSize, handSize int64
	ours := &program{name: ec2Ours, tree: t, look: sumParts(&ourSize), argv: func(out string) []string {
		return append([]string{b.purebundle, "ec2", "bundle-vol", "-k", key, "-c", cert, "--ec2cert", cert, "-u", "123456789012",
			"--no-inherit", "-d", out}, options...)
	}}
	hand := &program{name: ec2Hand, tree: t, look: sumParts(&handSize), argv: func(out string) []string {
		return []string{"/bin/sh", "-c", ec2Recipe, "sh", image, out}
	}}
	if _, err := exec.LookPath("openssl"); err != nil {
		b.missing, hand = append(b.missing, ec2Hand+": openssl is not installed"), nil
	}
	if err := b.compete(&contest{title: "A, Amazon's format", trees: []*tree{t}, programs: []*program{ours, hand}}); err != nil {
		return err
	}
	if hand != nil && handSize > 0 && ourSize > 0 {
		b.atMost("A, Amazon's format: wall against tools by hand", 0.25, ratios(ours, hand))
		b.atMost("A, Amazon's format: bytes against gzip -9", 1.12, []float64{float64(ourSize) / float64(handSize)})
	}
	peak, err := b.peakDisk(ours)
	if err != nil {
		return err
	}
	b.add("A, Amazon's format: peak disk in MiB", fmt.Sprintf("non-zero bytes of the image + 64 MiB = %d", content>>20+64),
		float64(content>>20+64), []float64{float64(peak) / (1 << 20)}, "%.0f")
	return nil
}

// sumParts returns what looks at the output of a run, and adds the sizes of its parts to
// sum, in bytes.
func sumParts(sum *int64) func(out, text string) error {
	return func(out, _ string) error {
		parts, err := partFiles(out)
		for _, p := range parts {
			st, err := os.Stat(p)
			if err != nil {
				return err
			}
			*sum += st.Size()
		}
		return err
	}
}

// peakDisk runs p once more, and looks at its directory all the while.
func (b *bench) peakDisk(p *program) (peak int64, err error) {
	out := filepath.Join(b.dir, "out")
	if err := os.Mkdir(out, 0o755); err != nil {
		return 0, err
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, occupied(out))
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	_, _, err = measure(b.ctx, p.argv(out))
	close(stop)
	<-stopped
	return peak, errors.Join(err, os.RemoveAll(out))
}

// occupied returns the bytes that the files below dir take. Files may come and go.
func occupied(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil {
			n += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return nil
	})
	return n
}

// keyPair writes a private key and its certificate.
func keyPair(dir string) (keyFile, certFile string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return "", "", err
	}
	keyFile, certFile = filepath.Join(dir, "pk.pem"), filepath.Join(dir, "cert.pem")
	return keyFile, certFile, errors.Join(
		os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}), 0o600),
		os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}
