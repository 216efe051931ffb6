package confine

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Capability is a part of root's power, by its number in linux/capability.h.
type Capability int

// The capabilities that some work needs.
const (
	ReadSearch Capability = unix.CAP_DAC_READ_SEARCH // read every file, search every directory
	Override   Capability = unix.CAP_DAC_OVERRIDE    // write them as well
	Owner      Capability = unix.CAP_FOWNER          // do what their owners may: O_NOATIME, files in sticky directories
	Admin      Capability = unix.CAP_SYS_ADMIN       // mounts, trusted.* attributes and much else
)

// capData is what capget(2) and capset(2) move, in version 3: sets of 64 bits in
// two words, the low one first.
type capData [2]unix.CapUserData

// Keep gives up all capabilities but those in list; it gains none. The bounding
// set stays: without new privileges no program gets anything from it.
func Keep(list ...Capability) error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, want capData
	if err := unix.Capget(&header, &have[0]); err != nil {
		return err
	}
	for _, c := range list {
		bit := uint32(1) << (c % 32)
		want[c/32].Permitted |= have[c/32].Permitted & bit
		want[c/32].Effective |= have[c/32].Effective & bit
	}
	return onAll(syscall.AllThreadsSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&want)), 0))
}
