package ami

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk"
)

// Input says what to register. Name must be given, and Location or Root.
type Input struct {
	Location       string // of the manifest: BUCKET/DIR/PREFIX.manifest.xml
	Name           string // of the image, one of a kind in the account and region
	Description    string
	Arch           string // "i386" or "x86_64"; "": that of the manifest
	Kernel         string // "aki-…"; "": that of the manifest
	Ramdisk        string // "ari-…"; "": that of the manifest
	Virtualization string // "hvm" or "paravirtual"; "": paravirtual
	Root           *Root  // of an image whose disk is in EBS: it has no Location, Kernel and Ramdisk
	Devices        []Device
	Tags           map[string]string // of the image
	DryRun         bool              // ask only whether it would be allowed
}

// Limits of EC2, in characters (API reference, RegisterImage; user guide, "Tag
// restrictions").
const (
	minName        = 3
	maxName        = 128
	maxDescription = 255
	maxTags        = 50
	maxTagKey      = 128
	maxTagValue    = 256
)

// nameMarks are the marks that a name may have beside ASCII letters and digits.
const nameMarks = "()[] ./-'@_"

// Check says why EC2 would refuse in whatever is in S3, or nil.
func Check(in Input) error {
	if err := CheckName(in.Name); err != nil {
		return err
	}
	var err error
	hint := ""
	bucket, key, _ := strings.Cut(in.Location, "/")
	switch {
	case in.Root != nil:
		hint, err = in.checkRoot()
	case bucket == "" || key == "" || strings.Contains(in.Location, "://"):
		err, hint = fmt.Errorf("location %q is not BUCKET/DIR/NAME.manifest.xml", in.Location), "give it without s3://"
	case !strings.HasSuffix(key, ".manifest.xml"):
		err, hint = fmt.Errorf("location %q is no manifest in Amazon's format", in.Location), "only bundles in Amazon's format can be registered: purebundle ec2 makes them"
	case utf8.RuneCountInString(in.Description) > maxDescription:
		err, hint = fmt.Errorf("the description is longer than %d characters", maxDescription), "use a shorter one"
	case in.Arch != "" && in.Arch != "i386" && in.Arch != "x86_64":
		err, hint = fmt.Errorf("architecture %q", in.Arch), "images of instance-store machines are i386 or x86_64"
	case in.Kernel != "" && !strings.HasPrefix(in.Kernel, "aki-"):
		err, hint = fmt.Errorf("kernel %q", in.Kernel), "the id of a kernel is aki-…"
	case in.Ramdisk != "" && !strings.HasPrefix(in.Ramdisk, "ari-"):
		err, hint = fmt.Errorf("ramdisk %q", in.Ramdisk), "the id of a ramdisk is ari-…"
	case in.Virtualization != "" && in.Virtualization != "hvm" && in.Virtualization != "paravirtual":
		err, hint = fmt.Errorf("virtualization %q", in.Virtualization), "it is hvm or paravirtual"
	}
	if err == nil {
		err = errors.Join(checkTags(in.Tags), checkDevices(in.Devices))
	}
	if err != nil {
		return &chunk.Error{Op: "register", Path: in.Name, Err: err, Hint: hint}
	}
	return nil
}

// CheckName says why EC2 would refuse a name, or nil.
func CheckName(name string) error {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(nameMarks, r))
	}
	var err error
	if n := utf8.RuneCountInString(name); n < minName || n > maxName {
		err = fmt.Errorf("a name of %d characters", n)
	} else if i := strings.IndexFunc(name, bad); i >= 0 {
		r, _ := utf8.DecodeRuneInString(name[i:])
		err = fmt.Errorf("%q in a name", r)
	}
	if err == nil {
		return nil
	}
	return &chunk.Error{Op: "register", Path: name, Err: err,
		Hint: fmt.Sprintf("the name of an image has %d to %d letters, digits, spaces and ()[]./-'@_", minName, maxName)}
}

func checkTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return fmt.Errorf("%d tags; EC2 keeps %d", len(tags), maxTags)
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		switch n := utf8.RuneCountInString(key); {
		case n == 0 || n > maxTagKey:
			return fmt.Errorf("tag %q: a key has 1 to %d characters", key, maxTagKey)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return fmt.Errorf("tag %q: keys that begin with aws: are Amazon's own", key)
		case utf8.RuneCountInString(tags[key]) > maxTagValue:
			return fmt.Errorf("tag %q: the value is longer than %d characters", key, maxTagValue)
		}
	}
	return nil
}

// request returns in as the API has it.
func (in *Input) request() *ec2.RegisterImageInput {
	r := &ec2.RegisterImageInput{
		Name:               &in.Name,
		ImageLocation:      given(in.Location),
		Architecture:       types.ArchitectureValues(in.Arch),
		Description:        given(in.Description),
		KernelId:           given(in.Kernel),
		RamdiskId:          given(in.Ramdisk),
		VirtualizationType: given(in.Virtualization),
	}
	if in.Root != nil {
		in.Root.into(r)
	}
	if in.DryRun {
		r.DryRun = aws.Bool(true)
	}
	for _, d := range in.Devices {
		r.BlockDeviceMappings = append(r.BlockDeviceMappings, d.mapping())
	}
	if len(in.Tags) > 0 {
		spec := types.TagSpecification{ResourceType: types.ResourceTypeImage}
		for _, key := range slices.Sorted(maps.Keys(in.Tags)) {
			spec.Tags = append(spec.Tags, types.Tag{Key: aws.String(key), Value: aws.String(in.Tags[key])})
		}
		r.TagSpecifications = []types.TagSpecification{spec}
	}
	return r
}

// given returns nil for a value that EC2 is to choose.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
