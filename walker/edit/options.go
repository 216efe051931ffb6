package edit

import (
	"strings"
)

// known has the mount options that an ext4 takes whatever it was before: those of the
// kernel for every file system, those of mount(8) and systemd that no kernel sees, and
// those of ext4 that say nothing of how the old file system was made. Left out on purpose
// are quotas, which an ext4 without the feature "project" or "quota" refuses or lacks,
// dax, which needs a device that has it, and all about the journal. A "=" at the end:
// with a value.
var known = set(`
	defaults auto noauto user nouser users owner group nofail _netdev comment=
	ro rw suid nosuid dev nodev exec noexec sync async dirsync atime noatime diratime nodiratime
	relatime norelatime strictatime nostrictatime lazytime nolazytime iversion noiversion mand nomand
	silent loud remount nosymfollow symfollow
	context= fscontext= defcontext= rootcontext= smackfsdef= smackfsfloor= smackfshat= smackfsroot=
	acl noacl user_xattr nouser_xattr errors= commit= resuid= resgid= discard nodiscard
	barrier barrier= nobarrier grpid nogrpid bsdgroups sysvgroups noquota`)

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// isKnown says whether ext4, or no kernel at all, is asked for an option.
func isKnown(option string) bool {
	if strings.HasPrefix(option, "x-") || strings.HasPrefix(option, "X-") {
		return true
	}
	name, _, valued := strings.Cut(option, "=")
	if valued {
		name += "="
	}
	return known[name]
}

// splitOptions splits a list at its commas, but for those in double quotes, as SELinux
// contexts have them. A quote without its other half is a character like any other.
func splitOptions(list string) (options []string) {
	if list == "" {
		return nil
	}
	start, quoted, pairs := 0, false, strings.Count(list, `"`)%2 == 0
	for i := range len(list) {
		switch {
		case list[i] == '"' && pairs:
			quoted = !quoted
		case list[i] == ',' && !quoted:
			options = append(options, list[start:i])
			start = i + 1
		}
	}
	return append(options, list[start:])
}

// forExt4 returns the options that ext4 takes, and those that it does not.
func forExt4(list string) (kept string, dropped []string) {
	var keep []string
	for _, o := range splitOptions(list) {
		if o == "" || isKnown(o) {
			keep = append(keep, o)
		} else {
			dropped = append(dropped, o)
		}
	}
	return strings.Join(keep, ","), dropped
}

// hasType says whether a list of types, as fstab and rootfstype= have it, lets ext4 pass.
func hasType(list string) bool {
	for t := range strings.SplitSeq(list, ",") {
		if t == "ext4" || t == "auto" {
			return true
		}
	}
	return false
}
