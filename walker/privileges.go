package walker

import (
	"slices"

	"golang.org/x/sys/unix"
)

// privileges says which of them a mount takes from its files: nosuid set-user-ID and set-group-ID bits and capabilities, nodev the use of
// device nodes. The running system does not honour them there, and the image is mounted without such options, so they are left out.
type privileges struct {
	noSuid, noDev bool
}

// privilegesOf reads the mount options of a line of the mount table: "rw,nosuid,nodev".
func privilegesOf(options []string) privileges {
	return privileges{slices.Contains(options, "nosuid"), slices.Contains(options, "nodev")}
}

const (
	setIDText  = "set-user-ID or set-group-ID bit left out: its mount is nosuid"
	capText    = "extended attribute security.capability left out: its mount is nosuid"
	deviceText = "device node left out: its mount is nodev"
)

// String returns a clause that explains what is left out, "" if nothing is.
func (p privileges) String() string {
	switch {
	case p.noSuid && p.noDev:
		return "nosuid, nodev: without set-ID bits, capabilities and device nodes"
	case p.noSuid:
		return "nosuid: without set-ID bits and capabilities"
	case p.noDev:
		return "nodev: without device nodes"
	}
	return ""
}

// mode returns st_mode without what the mount takes. The set-group-ID bit of a directory is no privilege.
func (p privileges) mode(mode uint32) uint32 {
	if p.noSuid && mode&unix.S_IFMT == unix.S_IFREG {
		mode &^= unix.S_ISUID | unix.S_ISGID
	}
	return mode
}

// device returns true if e is a device node that the mount takes. A character device 0, 0 is none: overlay file systems mean a deleted name.
func (p privileges) device(e *Entry) bool {
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		return p.noDev
	case unix.S_IFCHR:
		return p.noDev && (e.Major != 0 || e.Minor != 0)
	}
	return false
}
