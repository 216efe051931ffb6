package walker

import "strings"

// class groups file-system types by what the policy does with them.
type class int

const (
	classUnknown class = iota
	classRefused       // proc, sysfs
	classKernel        // made by the running kernel, gone with it
	classAuto          // where something is mounted when it is used
	classMemory
	classRemote // another machine or a process answers for it, or nobody
	classImage  // a read-only image of files, on a loop device or an optical disc
	classLayers // assembled at run time from directories that are elsewhere
	classDisk
)

// loopMajor and opticalMajor are device numbers of Documentation/admin-guide/devices.txt.
const (
	loopMajor    = 7
	opticalMajor = 11
)

// classify returns the class by the type, and by the source name if someone has mounted proc or sysfs by that name under another type.
func classify(m *Mount) class {
	fstype, _, _ := strings.Cut(m.FSType, ".") // "fuse.sshfs" is fuse
	switch fstype {
	case "proc", "sysfs":
		return classRefused
	}
	switch m.Source {
	case "proc", "sysfs":
		return classRefused
	}
	switch fstype {
	case "devtmpfs", "devpts", "cgroup", "cgroup2", "cpuset", "securityfs", "selinuxfs", "smackfs", "debugfs", "tracefs", "pstore",
		"bpf", "configfs", "efivarfs", "binfmt_misc", "mqueue", "hugetlbfs", "fusectl", "rpc_pipefs", "nfsd", "nsfs",
		"resctrl", "functionfs", "gadgetfs", "ibmasmfs", "ipathfs", "oprofilefs", "openpromfs", "spufs", "usbfs", "usbdevfs",
		"xenfs", "zonefs", "dax", "guest_memfd", "secretmem", "pipefs", "sockfs", "bdev", "anon_inodefs", "inotifyfs":
		return classKernel
	case "autofs":
		return classAuto
	case "tmpfs", "ramfs", "rootfs":
		return classMemory
	case "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "coda", "ceph", "9p", "virtiofs", "lustre", "gfs2", "ocfs2",
		"orangefs", "pvfs2", "gpfs", "beegfs", "glusterfs", "davfs", "vboxsf", "vmhgfs", "prl_fs", "fuse", "fuseblk":
		return classRemote
	case "squashfs", "iso9660", "erofs", "cramfs", "romfs", "udf":
		if m.Major == loopMajor || m.Major == opticalMajor {
			return classImage
		}
		return classDisk
	case "overlay", "overlayfs", "aufs", "unionfs":
		return classLayers
	case "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "vfat", "msdos", "exfat", "zfs", "bcachefs", "jfs", "nilfs2", "reiserfs",
		"ntfs", "ntfs3", "hfs", "hfsplus", "minix", "ubifs", "jffs2", "ecryptfs":
		return classDisk
	}
	if m.Major != 0 { // a block device lies under it, whatever it is
		return classDisk
	}
	return classUnknown
}

// mayHang returns true if even a stat of the mount's root can wait for a server that never answers.
func mayHang(m *mount) bool {
	return m.class == classRemote || m.class == classAuto
}
