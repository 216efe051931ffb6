package walker

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// unseenTrusted is the warning of a walk that the kernel does not show attributes trusted.* to: they are as if they were not there.
const unseenTrusted = "extended attributes trusted.* are not in the image: only root of the machine itself (CAP_SYS_ADMIN) sees them"

// SeesTrusted returns true if this thread has CAP_SYS_ADMIN, in the machine's own user namespace.
func SeesTrusted() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData // of 32 capabilities each
	if unix.Capget(&header, &sets[0]) != nil || sets[0].Effective>>unix.CAP_SYS_ADMIN&1 == 0 {
		return false
	}
	// user_namespaces(7): the first namespace maps all numbers to themselves. A kernel without namespaces has no such file.
	ids, err := os.ReadFile("/proc/self/uid_map")
	return err != nil || strings.Join(strings.Fields(string(ids)), " ") == "0 0 4294967295"
}
