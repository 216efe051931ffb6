package volume

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// Names is the name of a file system: its volume label and its UUID.
type Names struct {
	Label string
	UUID  [16]byte
}

// At returns the names of the file system whose root directory dir is. The
// kernel is asked; of an ext or F2FS, also its device, if it can be opened. The error
// is ErrNone if there is nothing to keep: dir is a directory further down, or of a
// file system of another kind.
func At(dir string) (Names, error) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return Names{}, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	defer unix.Close(fd)
	k, err := kindOf(fd)
	if err != nil {
		return Names{}, fmt.Errorf("%s: %w", dir, err)
	}
	id, err := k.names(fd)
	if err != nil {
		return Names{}, fmt.Errorf("%s: %w", dir, err)
	}
	return id, nil
}

// ofDevice returns what the device says that the file system of fd is on.
func ofDevice(fd int) (Names, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return Names{}, os.NewSyscallError("stat", err)
	}
	device, err := OpenDevice(st.Dev)
	if err != nil {
		return Names{}, err
	}
	defer device.Close()
	size, err := device.Seek(0, io.SeekEnd)
	if err != nil {
		return Names{}, err
	}
	fs, err := Identify(device, size)
	if err != nil {
		return Names{}, fmt.Errorf("%s: %w", device.Name(), err)
	}
	id := Names{Label: fs.Label}
	if fs.UUID != "" {
		if id.UUID, err = uuid.Parse(fs.UUID); err != nil {
			return Names{}, fmt.Errorf("%s: %w", device.Name(), err)
		}
	}
	return id, nil
}

// OpenDevice opens the block device with a number. Its name comes from the kernel
// (sysfs), because /dev may hold any names; that what is there is the device is
// checked on the open file.
func OpenDevice(dev uint64) (*os.File, error) {
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
