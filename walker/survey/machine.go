package survey

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"purebundle/walker/mounttable"
	"purebundle/walker/volume"
)

// Machine is what a tree's root lies on.
type Machine struct {
	Root Root
	// Disk is nil if the root does not lie on a partition of one disk, or if the disk
	// cannot be read. Why says it.
	Disk *Disk
	// Why is a sentence, without a full stop: "the root is on LVM (dm-0, vg-root) on
	// /dev/vda3: the disk below it is not copied". "" if there is a Disk.
	Why string
	// Bare is true if there is no disk that could be meant: SOURCE is a directory of some
	// file system, an overlay, in memory, or on a file system without partitions.
	Bare bool
	// Notes are sentences on what is not as it should be, or lies on other disks; those
	// of Disk are among them.
	Notes []string
}

// Root is the file system that a tree's root lies on.
type Root struct {
	// FileSystem has the type as it is mounted: an ext2 can be mounted as ext4. UUID
	// and label are "" if SOURCE is not the root directory of its file system.
	volume.FileSystem
	Device    string // "/dev/vda1", or what the mount table has: "host:/export"
	Options   string // of the mount and of the file system, as the mount table has them
	Subvolume string // of a btrfs, as its path from the top: "/@"; "" for the top itself
}

// Of returns what the root of source lies on. What cannot be told of the disk is no
// error: it is in Machine.Why.
func Of(source string) (*Machine, error) {
	return host{sys: "/sys", mounts: mounttable.Read, open: openDevice}.of(source)
}

// host is where the kernel tells of its mounts and devices. Tests have another.
type host struct {
	sys    string // where sysfs is mounted
	mounts func() ([]*mountinfo.Info, error)
	open   func(dev uint64) (content, error)
}

// content is an open block device.
type content interface {
	io.ReaderAt
	io.Closer
}

func openDevice(dev uint64) (content, error) { return volume.OpenDevice(dev) }

func (h host) of(source string) (*Machine, error) {
	fd, err := unix.Open(source, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: source, Err: err}
	}
	defer unix.Close(fd)
	point, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil {
		return nil, err
	}
	id, err := mounttable.ID(fd)
	if err != nil {
		return nil, err
	}
	lines, err := h.mounts()
	if err != nil {
		return nil, fmt.Errorf("read mount table: %w", err)
	}
	at := slices.IndexFunc(lines, func(l *mountinfo.Info) bool { return uint64(l.ID) == id })
	if at < 0 {
		return &Machine{Why: "the mount table does not show what the root lies on, as in a chroot", Bare: true}, nil
	}
	s := survey{host: h, lines: lines, point: point, mount: lines[at]}
	s.m.Root = rootOf(s.mount)
	if names, err := volume.At(source); err == nil {
		s.m.Root.Label = names.Label
		if names.UUID != [16]byte{} {
			s.m.Root.UUID = uuid.UUID(names.UUID).String()
		}
	}
	if !s.whole(fd) {
		s.m.Why = fmt.Sprintf("%s is a directory of the %s on %s, not its root: the disk is another machine's", source, s.mount.FSType, s.mount.Source)
		s.m.Root.Label, s.m.Root.UUID, s.m.Bare = "", "", true
		return &s.m, nil
	}
	s.find()
	return &s.m, nil
}

// survey is a Machine that is being filled in.
type survey struct {
	host
	m     Machine
	lines []*mountinfo.Info
	mount *mountinfo.Info // that SOURCE lies on
	point string          // SOURCE, as the mount table names it
	devs  map[uint64]int  // indexes of Disk.Partitions by number of device
}

// rootOf returns what a line of the mount table says.
func rootOf(l *mountinfo.Info) Root {
	r := Root{FileSystem: volume.FileSystem{Type: l.FSType}, Device: l.Source}
	var options []string
	for o := range strings.SplitSeq(l.Options+","+l.VFSOptions, ",") {
		if o != "" && !slices.Contains(options, o) {
			options = append(options, o)
		}
	}
	r.Options = strings.Join(options, ",")
	if l.FSType == "btrfs" && l.Root != "/" {
		r.Subvolume = l.Root
	}
	return r
}

// whole says whether SOURCE is the root directory of its file system, or of a
// subvolume of it.
func (s *survey) whole(fd int) bool {
	if s.point != s.mount.Mountpoint {
		return false
	}
	if s.mount.Root == "/" || s.mount.FSType != "btrfs" {
		return s.mount.Root == "/"
	}
	const firstFree = 256 // BTRFS_FIRST_FREE_OBJECTID, of each subvolume's own directory
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Ino == firstFree
}

// find finds the disk, or says why not.
func (s *survey) find() {
	b, why := s.rootBlock()
	if why != "" {
		s.m.Why = why
		return
	}
	s.m.Root.Device = b.path
	if !b.partition {
		s.m.Bare = b.kind == ""
		s.m.Why = fmt.Sprintf("the root is on %s: %s", s.what(b), b.lacks())
		return
	}
	disk, err := s.parent(b)
	if err != nil {
		s.m.Why = fmt.Sprintf("the disk of %s is not known: %v", b.path, err)
		return
	}
	if disk.kind != "" { // partitions of a RAID
		s.m.Why = fmt.Sprintf("the root is on %s, of %s: %s", b.path, s.what(disk), disk.lacks())
		return
	}
	if s.m.Disk, err = s.readDisk(disk); err != nil {
		s.m.Why = fmt.Sprintf("the root is on %s, but its disk is not copied: %s: %v", b.path, disk.path, err)
		return
	}
	if why := s.match(disk, b); why != "" {
		s.m.Disk, s.m.Why = nil, why
		return
	}
	if err := s.identifyAll(); err != nil {
		s.m.Disk, s.m.Why = nil, fmt.Sprintf("the root is on %s, but its disk is not copied: %s: %v", b.path, disk.path, err)
		return
	}
	s.findMounts()
	s.m.Notes = append(s.m.Notes, s.m.Disk.Notes...)
	s.completeRoot()
}

// rootBlock returns the block device of SOURCE's file system; why says that there is
// none.
func (s *survey) rootBlock() (b block, why string) {
	l := s.mount
	fstype, _, _ := strings.Cut(l.FSType, ".") // "fuse.sshfs" is fuse
	switch fstype {
	case "overlay", "overlayfs", "aufs", "unionfs":
		s.m.Bare = true
		return b, "the root is an overlay of directories, as a container's or a live system's is: there is no disk of its own"
	case "tmpfs", "ramfs", "rootfs":
		s.m.Bare = true
		return b, fmt.Sprintf("the root is in memory (%s): there is no disk", l.FSType)
	case "zfs":
		return b, fmt.Sprintf("the root is on ZFS (%s): the disks of its pool are not copied", l.Source)
	case "btrfs":
		return s.btrfsBlock()
	}
	if l.Major == 0 {
		s.m.Bare = true
		return b, fmt.Sprintf("the root is a %s (%s) without a block device: there is no disk", l.FSType, l.Source)
	}
	b, err := s.block(unix.Mkdev(uint32(l.Major), uint32(l.Minor)))
	if err != nil {
		return b, fmt.Sprintf("the device %d:%d of the root is not known: %v", l.Major, l.Minor, err)
	}
	return b, ""
}

// btrfsBlock returns the device of a btrfs, whose files have numbers of no device:
// sysfs lists its devices by its UUID, and else the mount table has the name of one.
func (s *survey) btrfsBlock() (b block, why string) {
	devices, err := filepath.Glob(filepath.Join(s.sys, "fs/btrfs", s.m.Root.UUID, "devices/*/dev"))
	if s.m.Root.UUID == "" || err != nil || len(devices) == 0 {
		return s.namedBlock(s.mount.Source)
	}
	var blocks []block
	for _, d := range devices {
		number, err := readNumber(d)
		if err == nil {
			b, err = s.block(number)
		}
		if err != nil {
			return b, fmt.Sprintf("a device of the root's btrfs is not known: %v", err)
		}
		blocks = append(blocks, b)
	}
	if len(blocks) == 1 {
		return blocks[0], ""
	}
	var names []string
	for _, b := range blocks {
		names = append(names, s.what(b))
	}
	slices.Sort(names)
	return b, fmt.Sprintf("the root is a btrfs spread over %s: several disks are not copied", strings.Join(names, " and "))
}

// namedBlock returns the block device with a name.
func (s *survey) namedBlock(name string) (b block, why string) {
	var st unix.Stat_t
	err := unix.Stat(name, &st)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFBLK {
		err = unix.ENOTBLK
	}
	if err == nil {
		b, err = s.block(st.Rdev)
	}
	if err != nil {
		return b, fmt.Sprintf("the device %s of the root is not known: %v", name, err)
	}
	return b, ""
}

// completeRoot takes from the superblock what the kernel did not tell.
func (s *survey) completeRoot() {
	fs := s.m.Disk.Partitions[s.m.Disk.Root].FileSystem
	if fs == nil {
		return
	}
	r := &s.m.Root.FileSystem
	if r.UUID == "" {
		r.UUID, r.Label = fs.UUID, fs.Label
	}
	r.FAT, r.Elsewhere = fs.FAT, fs.Elsewhere
}
