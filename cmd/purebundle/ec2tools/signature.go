package ec2tools

import (
	"errors"

	"purebundle/cmd/purebundle/cli"
)

// signature says what becomes of a manifest whose signature nobody checked.
type signature string

const (
	sigDefault  signature = ""         // what is asked for is done, with status 3
	sigRequired signature = "required" // it is a mistake; so it is with a certificate
	sigNone     signature = "none"     // that is what was wanted
)

func (s *signature) Type() string   { return "WORD" }
func (s *signature) String() string { return string(*s) }

func (s *signature) Set(word string) error {
	switch *s = signature(word); *s {
	case sigRequired, sigNone:
		return nil
	}
	return errors.New("is neither required nor none")
}

// check refuses what contradicts itself.
func (c *readOptions) check() error {
	switch {
	case c.signature == sigRequired && c.cert == "":
		return cli.WithHint(cli.Usagef("--signature required, and no --cert (-c)"), "-c CERT is the certificate of the user who made the bundle")
	case c.signature == sigNone && c.cert != "":
		return cli.WithHint(cli.Usagef("--signature none, and --cert (-c)"), "leave one of them away")
	}
	return nil
}

// verdict returns nil if the signature was right, or not wanted, else an error with
// status 3: the digests say that the bundle is whole, not who made it.
func (c *readOptions) verdict(done string) error {
	if c.cert != "" || c.signature == sigNone {
		return nil
	}
	return cli.WithHint(&cli.IncompleteError{Text: done + ", but nobody checked who made the bundle"},
		"-c CERT checks the signature; --signature none says that it need not be")
}
