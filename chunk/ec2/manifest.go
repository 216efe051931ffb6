package ec2

import (
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"

	"purebundle/chunk"
)

// Versions of manifests. Only the last is written.
const (
	version3        = "3"
	version20070829 = "2007-08-29"
	version20071010 = "2007-10-10"
)

// Manifest is what a bundle's manifest says. Commit fills what follows from the
// image and the keys; the caller the rest.
type Manifest struct {
	Version string
	Bundler Bundler

	Arch         string    // "i386" or "x86_64"
	Mappings     []Mapping // written sorted by Virtual
	Kernel       string    // "aki-…"; may be empty
	Ramdisk      string    // "ari-…"; may be empty
	ProductCodes []string

	Name      string   // of the image and of every file of the bundle
	User      string   // the account: 12 digits
	Ancestors []string // of the AMI that this machine was started from

	ImageDigest string // SHA-1 of the tar archive, hexadecimal
	Size        int64  // bytes of the image
	BundledSize int64  // bytes of all parts
	Parts       []Part // in order

	keys      wrapped
	signature string
	signed    []byte // the bytes that the signature is over
}

// Bundler is the program that made the bundle. It is not signed.
type Bundler struct{ Name, Version, Release string }

// Mapping says what a block device is called in the machine.
type Mapping struct{ Virtual, Device string }

// Part is one part.
type Part struct {
	Name   string
	Digest string // SHA-1, hexadecimal
}

// wrapped is the session encrypted for EC2 and for the user, hexadecimal.
type wrapped struct{ ec2Key, userKey, ec2IV, userIV string }

// ManifestName returns the name of the manifest of a bundle.
func ManifestName(prefix string) string { return prefix + manifestSuffix }

const (
	manifestSuffix = ".manifest.xml"
	partInfix      = ".part."
)

// PartName returns the name of part i, from 0, of count parts: as many digits as the
// number of parts has.
func PartName(prefix string, i, count int) string {
	return fmt.Sprintf("%s%s%0*d", prefix, partInfix, len(fmt.Sprint(count)), i)
}

// CheckPrefix says why prefix cannot be the name of an image, or nil. It must
// fit in the name field of a tar header.
func CheckPrefix(prefix string) error {
	if err := chunk.CheckPrefix(prefix); err != nil {
		return err
	}
	if len(prefix) > nameLen-1 {
		return &chunk.Error{Op: "prefix", Path: prefix, Err: fmt.Errorf("is longer than %d bytes", nameLen-1), Hint: "use a shorter one"}
	}
	return nil
}

// CheckUser takes the hyphens out of an account number and checks its form.
func CheckUser(user string) (string, error) {
	digits := strings.ReplaceAll(user, "-", "")
	if len(digits) != 12 || strings.Trim(digits, "0123456789") != "" {
		return "", fmt.Errorf("user %q: an account number has 12 digits, such as 1234-5678-9012", user)
	}
	return digits, nil
}

// escape makes text fit between tags and within single quotes.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "'", "&apos;", `"`, "&quot;").Replace(text)
}

// xmlText collects elements without white space between them.
type xmlText struct{ strings.Builder }

// leaf writes one element; one without text is left out. attrs is " a='b'".
func (x *xmlText) leaf(name, attrs, text string) {
	if text != "" {
		x.WriteString("<" + name + attrs + ">" + escape(text) + "</" + name + ">")
	}
}

// group writes an element around what fill writes; an empty one is left out.
func (x *xmlText) group(name, attrs string, fill func(x *xmlText)) {
	var inner xmlText
	fill(&inner)
	if inner.Len() > 0 {
		x.WriteString("<" + name + attrs + ">" + inner.String() + "</" + name + ">")
	}
}

const (
	sha1Attr = " algorithm='SHA1'"
	aesAttr  = " algorithm='AES-128-CBC'"
)

// encode signs the manifest and writes it, version 2007-10-10.
func (m *Manifest) encode(priv *rsa.PrivateKey) ([]byte, error) {
	m.Version = version20071010
	var body xmlText
	body.group("machine_configuration", "", m.putMachine)
	body.group("image", "", m.putImage)
	m.signed = []byte(body.String())
	var err error
	if m.signature, err = sign(priv, m.signed); err != nil {
		return nil, err
	}
	var all xmlText
	all.WriteString("<?xml version='1.0'?>")
	all.group("manifest", "", func(x *xmlText) {
		x.leaf("version", "", m.Version)
		x.group("bundler", "", func(x *xmlText) {
			x.leaf("name", "", m.Bundler.Name)
			x.leaf("version", "", m.Bundler.Version)
			x.leaf("release", "", m.Bundler.Release)
		})
		x.WriteString(body.String())
		x.leaf("signature", "", m.signature)
	})
	return []byte(all.String()), nil
}

func (m *Manifest) putMachine(x *xmlText) {
	x.leaf("architecture", "", m.Arch)
	x.group("block_device_mapping", "", func(x *xmlText) {
		sorted := slices.SortedStableFunc(slices.Values(m.Mappings), func(a, b Mapping) int { return strings.Compare(a.Virtual, b.Virtual) })
		for _, d := range sorted {
			x.group("mapping", "", func(x *xmlText) {
				x.leaf("virtual", "", d.Virtual)
				x.leaf("device", "", d.Device)
			})
		}
	})
	x.leaf("kernel_id", "", m.Kernel)
	x.leaf("ramdisk_id", "", m.Ramdisk)
	x.group("product_codes", "", func(x *xmlText) {
		for _, c := range m.ProductCodes {
			x.leaf("product_code", "", c)
		}
	})
}

func (m *Manifest) putImage(x *xmlText) {
	x.leaf("name", "", m.Name)
	x.leaf("user", "", m.User)
	x.leaf("type", "", "machine")
	x.group("ancestry", "", func(x *xmlText) {
		for _, a := range m.Ancestors {
			x.leaf("ancestor_ami_id", "", a)
		}
	})
	x.leaf("digest", sha1Attr, m.ImageDigest)
	x.leaf("size", "", fmt.Sprint(m.Size))
	x.leaf("bundled_size", "", fmt.Sprint(m.BundledSize))
	x.leaf("ec2_encrypted_key", aesAttr, m.keys.ec2Key)
	x.leaf("user_encrypted_key", aesAttr, m.keys.userKey)
	x.leaf("ec2_encrypted_iv", "", m.keys.ec2IV)
	x.leaf("user_encrypted_iv", "", m.keys.userIV)
	x.group("parts", fmt.Sprintf(" count='%d'", len(m.Parts)), func(x *xmlText) {
		for i, p := range m.Parts {
			x.group("part", fmt.Sprintf(" index='%d'", i), func(x *xmlText) {
				x.leaf("filename", "", p.Name)
				x.leaf("digest", sha1Attr, p.Digest)
			})
		}
	})
}

// CheckSignature returns an error that wraps ErrSignature unless the manifest was
// signed with the private key that goes with the user's certificate.
func (m *Manifest) CheckSignature(pub *rsa.PublicKey) error {
	return checkSignature(pub, m.signed, m.signature)
}
