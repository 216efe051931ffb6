package create

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
)

// Maker says which machine makes a bundle, and of what.
type Maker struct {
	Host    string
	Machine string // digest of the machine's identity; "": it has none
	Source  chunk.Path
}

// MakerOf returns who this machine is as the maker of bundles of source.
func MakerOf(source string) Maker {
	m := Maker{Machine: machineDigest("/etc/machine-id", "/var/lib/dbus/machine-id"), Source: chunk.Path(cli.Absolute(source))}
	m.Host, _ = os.Hostname() // a manifest without it is as good
	return m
}

// Stranger says why a bundle is not of this maker, "" if it is. One without a machine,
// as older versions have made, is compared by its host.
func (m Maker) Stranger(b *chunk.Manifest) string {
	switch {
	case b.Host != m.Host, b.Machine != "" && m.Machine != "" && b.Machine != m.Machine:
		return "is of another machine"
	case b.Source != m.Source:
		return "is of SOURCE " + string(b.Source)
	}
	return ""
}

// machineKey is the key of the digest: the identity of a machine is not to be given
// away (machine-id(5)).
const machineKey = "purebundle machine"

// machineDigest returns the HMAC-SHA256, in hexadecimal, of the identity in the first
// of the files that has one, "" if none has.
func machineDigest(files ...string) string {
	for _, name := range files {
		id, err := os.ReadFile(name)
		if id = bytes.TrimSpace(id); err != nil || len(id) < 32 { // "uninitialized", or empty
			continue
		}
		h := hmac.New(sha256.New, []byte(machineKey))
		h.Write(id)
		return hex.EncodeToString(h.Sum(nil))
	}
	return ""
}
