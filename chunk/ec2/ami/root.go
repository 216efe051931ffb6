package ami

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// Root is the disk from which machines start. What EC2 takes of an image without being
// told is for machines of 2008, so all of it is told.
type Root struct {
	Snapshot string // "snap-…"
	Device   string // such as "/dev/xvda"
	Size     int32  // GiB of the volume; 0: that of the snapshot
	Type     string // of the volume; "": gp3
	BootMode string // "legacy-bios", "uefi" or "uefi-preferred"
	IMDSv1   bool   // the metadata service answers without a token, too
	TPM      bool   // machines have a TPM 2.0
}

// BootModes are the values of Root.BootMode.
var BootModes = []string{"legacy-bios", "uefi", "uefi-preferred"}

// checkRoot says why EC2 would refuse an image whose disk is in EBS, and what to do.
func (in *Input) checkRoot() (hint string, err error) {
	r := in.Root
	switch {
	case in.Location != "" || in.Kernel != "" || in.Ramdisk != "" || in.Virtualization != "" && in.Virtualization != "hvm":
		return "leave out kernel, ramdisk and virtualization type", fmt.Errorf("what is of instance-store images, of a disk in EBS")
	case !strings.HasPrefix(r.Snapshot, "snap-") && !in.DryRun:
		return "the id of a snapshot is snap-…", fmt.Errorf("snapshot %q", r.Snapshot)
	case !strings.HasPrefix(r.Device, "/dev/"):
		return "such as /dev/xvda", fmt.Errorf("root device %q", r.Device)
	case in.Arch != "x86_64" && in.Arch != "arm64" && in.Arch != "i386":
		return "it is x86_64, arm64 or i386", fmt.Errorf("architecture %q", in.Arch)
	case !slices.Contains(BootModes, r.BootMode):
		return "it is one of " + strings.Join(BootModes, ", "), fmt.Errorf("boot mode %q", r.BootMode)
	case in.Arch == "arm64" && r.BootMode != "uefi":
		return "such machines start by UEFI only", fmt.Errorf("boot mode %s for arm64", r.BootMode)
	case r.TPM && r.BootMode != "uefi":
		return "a TPM needs boot mode uefi", fmt.Errorf("a TPM with boot mode %s", r.BootMode)
	case r.Size < 0 || r.Size > 64<<10:
		return "it has 1 to 65536 GiB", fmt.Errorf("a volume of %d GiB", r.Size)
	case utf8.RuneCountInString(in.Description) > maxDescription:
		return "use a shorter one", fmt.Errorf("the description is longer than %d characters", maxDescription)
	case slices.ContainsFunc(in.Devices, func(d Device) bool { return d.Name == r.Device }):
		return "the size of the root volume is given apart", fmt.Errorf("device %s is the root", r.Device)
	}
	return "", nil
}

// into puts r into a request.
func (r *Root) into(in *ec2.RegisterImageInput) {
	in.RootDeviceName = &r.Device
	in.VirtualizationType = aws.String("hvm")
	in.EnaSupport = aws.Bool(true)
	in.BootMode = types.BootModeValues(r.BootMode)
	if in.Architecture != types.ArchitectureValuesArm64 {
		in.SriovNetSupport = aws.String("simple")
	}
	if !r.IMDSv1 {
		in.ImdsSupport = types.ImdsSupportValuesV20
	}
	if r.TPM {
		in.TpmSupport = types.TpmSupportValuesV20
	}
	volume := &types.EbsBlockDevice{SnapshotId: given(r.Snapshot), VolumeType: types.VolumeType(cmp.Or(r.Type, "gp3")), DeleteOnTermination: aws.Bool(true)}
	if r.Size > 0 {
		volume.VolumeSize = &r.Size
	}
	in.BlockDeviceMappings = append([]types.BlockDeviceMapping{{DeviceName: &r.Device, Ebs: volume}}, in.BlockDeviceMappings...)
}

// is says whether an image has the disk.
func (r *Root) is(image types.Image) bool {
	return slices.ContainsFunc(image.BlockDeviceMappings, func(m types.BlockDeviceMapping) bool {
		return m.Ebs != nil && aws.ToString(m.Ebs.SnapshotId) == r.Snapshot
	})
}
