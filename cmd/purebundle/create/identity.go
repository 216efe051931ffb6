package create

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/cmd/purebundle/cli"
)

// identity is the name of a file system: its volume label and its UUID.
type identity struct {
	label string
	uuid  [16]byte
}

// Fields of the ext2/3/4 superblock (Documentation/filesystems/ext4/super.rst).
const (
	superOffset  = 1024   // bytes from the start of the device
	superMagic   = 0xEF53 // s_magic
	magicOffset  = 0x38   // s_magic, __le16
	uuidOffset   = 0x68   // s_uuid, 16 bytes
	labelOffset  = 0x78   // s_volume_name, 16 bytes, NUL-padded
	extRootInode = 2      // EXT4_ROOT_INO
)

// sourceIdentity gives label and UUID of the ext2/3/4 file system whose root
// directory source is. ok is false where it is none, or where its device
// cannot be read: then the image gets a fresh UUID and no label.
func sourceIdentity(source string) (id identity, ok bool) {
	fd, err := unix.Open(source, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return identity{}, false
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Fstatfs(fd, &fs) != nil || unix.Fstat(fd, &st) != nil {
		return identity{}, false
	}
	if fs.Type != unix.EXT4_SUPER_MAGIC || st.Ino != extRootInode {
		return identity{}, false
	}
	device, err := openDevice(st.Dev)
	if err != nil {
		return identity{}, false
	}
	defer device.Close()
	id, err = readIdentity(device)
	return id, err == nil
}

// openDevice opens the block device with the given number. Its name comes from
// the kernel (sysfs), since /dev may hold any names; that the node found is the
// device is checked on the open file.
func openDevice(dev uint64) (*os.File, error) {
	major, minor := unix.Major(dev), unix.Minor(dev)
	uevent, err := os.ReadFile(fmt.Sprintf("/sys/dev/block/%d:%d/uevent", major, minor))
	if err != nil {
		return nil, err
	}
	name := ""
	for line := range strings.Lines(string(uevent)) {
		if v, ok := strings.CutPrefix(line, "DEVNAME="); ok {
			name = filepath.Join("/dev", strings.TrimSpace(v))
		}
	}
	if name == "" {
		return nil, fmt.Errorf("block device %d:%d has no name", major, minor)
	}
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	file := os.NewFile(uintptr(fd), name)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFBLK || st.Rdev != dev {
		file.Close()
		return nil, fmt.Errorf("%s is not block device %d:%d", name, major, minor)
	}
	return file, nil
}

// readIdentity reads label and UUID from the superblock of a device.
func readIdentity(device *os.File) (identity, error) {
	super := make([]byte, 1024)
	if _, err := device.ReadAt(super, superOffset); err != nil {
		return identity{}, err
	}
	if binary.LittleEndian.Uint16(super[magicOffset:]) != superMagic {
		return identity{}, fmt.Errorf("read %s: no ext2/3/4 superblock", device.Name())
	}
	var id identity
	copy(id.uuid[:], super[uuidOffset:])
	label, _, _ := bytes.Cut(super[labelOffset:labelOffset+cli.MaxLabel], []byte{0})
	id.label = string(label)
	return id, nil
}
