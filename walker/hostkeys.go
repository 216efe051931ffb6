package walker

import (
	"strings"

	"golang.org/x/sys/unix"
)

// hostKeys remembers whether a root makes SSH host keys at boot.
type hostKeys struct {
	ssh, dropbear bool
}

// dropsHostKey says whether the entry is an SSH host key that its root makes anew at boot. If nothing there does, the key stays, which is
// worth a warning.
func (w *walker) dropsHostKey(o *object) bool {
	if o.verdict.fate != hostKey {
		return false
	}
	root := w.entry.Path[:strings.LastIndex(w.entry.Path, "/etc/")]
	makes, asked := w.keys[root]
	if !asked {
		makes = hostKeys{ssh: makesHostKeys(w.tree, root), dropbear: w.tree.hasUnit(root, "dropbearkey.service", "dropbear-keygen.service")}
		w.keys[root] = makes
	}
	if strings.HasPrefix(o.name, "dropbear") && makes.dropbear || strings.HasPrefix(o.name, "ssh") && makes.ssh {
		return true
	}
	w.warn(w.entry.Path, "SSH host key kept: nothing in the tree makes new ones at boot")
	return false
}

// makesHostKeys says whether something in the root at a path ("" for SOURCE itself) makes SSH host keys at the next boot if it has none.
func makesHostKeys(t *Tree, root string) bool {
	if t.kindOf(root+"/usr/bin/cloud-init") == unix.S_IFREG && t.kindOf(root+"/etc/cloud/cloud-init.disabled") == 0 {
		return true
	}
	if t.kindOf(root+"/usr/sbin/sshd-gen-keys-start") == unix.S_IFREG { // SUSE: sshd.service runs it first
		return true
	}
	return t.hasUnit(root, "sshd-keygen.service", "sshd-keygen@.service", "sshdgenkeys.service")
}

// hasUnit says whether the root at a path has one of these units of systemd's.
func (t *Tree) hasUnit(root string, units ...string) bool {
	for _, unit := range units {
		// In systemd's order; a link in the first (masked: to /dev/null) hides the others.
		for _, dir := range []string{"/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"} {
			if kind := t.kindOf(root + dir + unit); kind == unix.S_IFREG {
				return true
			} else if kind == unix.S_IFLNK {
				break
			}
		}
	}
	return false
}
