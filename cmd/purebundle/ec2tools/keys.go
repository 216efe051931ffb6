package ec2tools

import (
	"crypto/rsa"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"purebundle/chunk/ec2"
	"purebundle/cmd/purebundle/cli"
)

// certName is the certificate of EC2 as the old tools install it.
const certName = "etc/ec2/amitools/cert-ec2.pem"

// certPlaces returns the files that the old tools read: below their own directory,
// or below that of a distribution's package.
func certPlaces() []string {
	places := []string{"/" + certName, filepath.Join("/usr", certName), filepath.Join("/usr/local", certName)}
	for _, home := range []string{os.Getenv("EC2_AMITOOL_HOME"), os.Getenv("EC2_HOME")} {
		if home != "" {
			places = append([]string{filepath.Join(home, certName)}, places...)
		}
	}
	return places
}

// Keys loads the key and the two certificates, and checks that the user's belong
// together before any work is done.
func (c *Options) Keys(a *cli.App) (keys ec2.Keys, err error) {
	for _, need := range []struct{ flag, value string }{
		{"--privatekey", c.key}, {"--cert", c.cert}, {"--user", c.user},
	} {
		if need.value == "" {
			return keys, cli.WithHint(cli.Usagef("%s is needed", need.flag),
				"a bundle is signed with the user's key, and encrypted for the user and for EC2: --privatekey KEY --cert CERT --user ACCOUNT")
		}
	}
	if keys.Private, err = loadKey(a, c.key); err != nil {
		return keys, err
	}
	if keys.User, err = ec2.LoadCertificate(c.cert); err != nil {
		return keys, err
	}
	if !keys.Private.PublicKey.Equal(keys.User) {
		return keys, cli.WithHint(cli.Usagef("private key %s: does not go with the certificate %s", c.key, c.cert), "give the two that were made together")
	}
	if keys.EC2, err = ec2.LoadCertificate(c.findEC2Cert()); errors.Is(err, fs.ErrNotExist) {
		err = cli.WithHint(err, "give EC2's certificate of the region with --ec2cert FILE; it came with the old tools as %s", certName)
	}
	if err != nil {
		return keys, err
	}
	return keys, keys.Check()
}

// loadKey loads a private key, and warns if others may read it.
func loadKey(a *cli.App, path string) (*rsa.PrivateKey, error) {
	key, err := ec2.LoadPrivateKey(path)
	if err == nil {
		a.WarnExposed(path)
	}
	return key, err
}

// Named returns the files that the flags name as secrets and that are there: none of them belongs in an image.
func (c *Options) Named() []string {
	var files []string
	for _, f := range []string{c.key, c.cert, c.ec2cert} {
		if _, err := os.Stat(f); f != "" && err == nil {
			files = append(files, f)
		}
	}
	return files
}

// findEC2Cert returns --ec2cert, or the first of certPlaces that is there.
func (c *Options) findEC2Cert() string {
	if c.ec2cert != "" {
		return c.ec2cert
	}
	places := certPlaces()
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p
		}
	}
	return places[0]
}
