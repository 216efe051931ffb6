package ami

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk"
)

// Device is one block device of machines that start from the image: an
// instance-store volume (Virtual), an EBS volume (Snapshot, Size or both), or
// one of the manifest that they are not to have (None).
type Device struct {
	Name    string // "/dev/sdb" or "sdb"
	Virtual string // "ephemeral0", …
	None    bool

	Snapshot  string // "snap-…"; "": an empty volume of Size
	Size      int32  // GiB; 0: that of the snapshot
	Type      string // "gp3", "io1", …; "": EC2's default
	IOPS      int32  // 0: the type's default
	Keep      bool   // the volume, when the machine is terminated
	Encrypted bool   // only for an empty volume; a snapshot's is kept
}

var ephemeral = regexp.MustCompile(`^ephemeral[0-9]{1,2}$`)

const deviceHint = "a device is NAME=ephemeralN, NAME=none or NAME=[SNAPSHOT]:[GIB]:[DELETE true|false]:[TYPE]:[IOPS]:[encrypted], " +
	"such as /dev/sdb=ephemeral0 or /dev/sdc=:100"

// ParseDevice reads a device as the option -b of ec2-register has it; what is
// at the end may be left out.
func ParseDevice(text string) (Device, error) {
	name, value, ok := strings.Cut(text, "=")
	d := Device{Name: name}
	var err error
	switch {
	case !ok || value == "":
		err = fmt.Errorf("has no value")
	case value == "none":
		d.None = true
	case strings.HasPrefix(value, "ephemeral"):
		d.Virtual = value
	default:
		err = d.parseVolume(strings.Split(value, ":"))
	}
	if err == nil {
		err = d.check()
	}
	if err != nil {
		return Device{}, &chunk.Error{Op: "device", Path: text, Err: err, Hint: deviceHint}
	}
	return d, nil
}

// parseVolume reads the fields of an EBS volume.
func (d *Device) parseVolume(fields []string) error {
	const most = 6
	if len(fields) > most {
		return fmt.Errorf("has %d fields, %d are known", len(fields), most)
	}
	fields = append(fields, make([]string, most-len(fields))...)
	d.Snapshot, d.Type = fields[0], fields[3]
	var err error
	if d.Size, err = count(fields[1]); err != nil {
		return fmt.Errorf("size %q is no number of GiB", fields[1])
	}
	if d.IOPS, err = count(fields[4]); err != nil {
		return fmt.Errorf("iops %q is no number", fields[4])
	}
	switch fields[2] {
	case "", "true":
	case "false":
		d.Keep = true
	default:
		return fmt.Errorf("%q is neither true nor false", fields[2])
	}
	switch fields[5] {
	case "":
	case "encrypted":
		d.Encrypted = true
	default:
		return fmt.Errorf("%q is not \"encrypted\"", fields[5])
	}
	return nil
}

// count returns a number above 0, or 0 if text is empty.
func count(text string) (int32, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err == nil && n == 0 {
		err = strconv.ErrRange
	}
	return int32(n), err
}

// volume says whether d has anything of an EBS volume.
func (d *Device) volume() bool {
	return d.Snapshot != "" || d.Size != 0 || d.Type != "" || d.IOPS != 0 || d.Keep || d.Encrypted
}

func (d *Device) check() error {
	switch {
	case d.Name == "":
		return fmt.Errorf("has no name")
	case d.Virtual != "" && !ephemeral.MatchString(d.Virtual):
		return fmt.Errorf("virtual name %q", d.Virtual)
	case d.Virtual != "" && (d.None || d.volume()), d.None && d.volume():
		return fmt.Errorf("is of two kinds")
	case d.Snapshot != "" && !strings.HasPrefix(d.Snapshot, "snap-"):
		return fmt.Errorf("snapshot %q", d.Snapshot)
	case d.Size < 0 || d.IOPS < 0:
		return fmt.Errorf("has a negative number")
	case d.Virtual == "" && !d.None && d.Snapshot == "" && d.Size == 0:
		return fmt.Errorf("has neither snapshot nor size")
	case d.Snapshot != "" && d.Encrypted:
		return fmt.Errorf("is encrypted or not as its snapshot is")
	}
	return nil
}

func checkDevices(devices []Device) error {
	seen := map[string]bool{}
	for _, d := range devices {
		if err := d.check(); err != nil {
			return fmt.Errorf("device %q: %w", d.Name, err)
		}
		if seen[d.Name] {
			return fmt.Errorf("device %q is there twice", d.Name)
		}
		seen[d.Name] = true
	}
	return nil
}

// mapping returns d as the API has it.
func (d *Device) mapping() types.BlockDeviceMapping {
	m := types.BlockDeviceMapping{DeviceName: &d.Name, VirtualName: given(d.Virtual)}
	if d.None {
		m.NoDevice = aws.String("")
	}
	if !d.volume() {
		return m
	}
	m.Ebs = &types.EbsBlockDevice{
		SnapshotId:          given(d.Snapshot),
		VolumeType:          types.VolumeType(d.Type),
		DeleteOnTermination: aws.Bool(!d.Keep),
	}
	if d.Size != 0 {
		m.Ebs.VolumeSize = &d.Size
	}
	if d.IOPS != 0 {
		m.Ebs.Iops = &d.IOPS
	}
	if d.Encrypted {
		m.Ebs.Encrypted = aws.Bool(true)
	}
	return m
}
