package walker

import "golang.org/x/sys/unix"

// filterRule names secrets, or what makes a machine itself, among the files of a tree.
type filterRule struct {
	pattern string
	reason  string
	fate    fate
	dirs    bool // directories too
}

const (
	sshKey     = "private SSH key"
	sshLogin   = "SSH authorized keys"
	history    = "shell history"
	password   = "stored credentials"
	editorSwap = "editor swap file"
	randomSeed = "random seed"
	dhcpLease  = "DHCP lease"
	cloudInit  = "cloud-init instance state"
	machineID  = "machine identity"
	sshHostKey = "SSH host key, made anew at boot"
)

// filterRules returns the rules; of two that match one name the first holds. They name files that no package ships: nothing like
// *.pem everywhere, which takes the CA bundle along.
func filterRules() []filterRule {
	return []filterRule{
		{pattern: ".ssh/id_*.pub", fate: keep},
		{pattern: ".ssh/id_*", reason: sshKey, fate: drop},
		{pattern: ".ssh/authorized_keys", reason: sshLogin, fate: drop},
		{pattern: ".ssh/authorized_keys2", reason: sshLogin, fate: drop},
		{pattern: ".bash_history", reason: history, fate: drop},
		{pattern: ".zsh_history", reason: history, fate: drop},
		{pattern: ".zhistory", reason: history, fate: drop},
		{pattern: ".sh_history", reason: history, fate: drop},
		{pattern: ".ash_history", reason: history, fate: drop},
		{pattern: ".ksh_history", reason: history, fate: drop},
		{pattern: ".history", reason: history, fate: drop},
		{pattern: "fish/fish_history", reason: history, fate: drop},
		{pattern: ".aws/credentials", reason: password, fate: drop},
		{pattern: ".netrc", reason: password, fate: drop},
		{pattern: ".*.sw[m-p]", reason: editorSwap, fate: drop},
		{pattern: "/var/lib/systemd/random-seed", reason: randomSeed, fate: drop},
		{pattern: "/var/lib/urandom/random-seed", reason: randomSeed, fate: drop},
		{pattern: "/var/lib/misc/random-seed", reason: randomSeed, fate: drop},
		{pattern: "/var/lib/random-seed", reason: randomSeed, fate: drop},
		{pattern: "/var/lib/seedrng/seed.*", reason: randomSeed, fate: drop},
		{pattern: "/boot/loader/random-seed", reason: randomSeed, fate: drop},
		{pattern: "/boot/efi/loader/random-seed", reason: randomSeed, fate: drop},
		{pattern: "/efi/loader/random-seed", reason: randomSeed, fate: drop},
		{pattern: "/var/lib/dhcp/dhclient*.lease*", reason: dhcpLease, fate: drop},
		{pattern: "/var/lib/dhclient/*.lease*", reason: dhcpLease, fate: drop},
		{pattern: "/var/lib/NetworkManager/*.lease", reason: dhcpLease, fate: drop},
		{pattern: "/var/lib/dhcpcd/*.lease*", reason: dhcpLease, fate: drop},
		{pattern: "/var/lib/wicked/lease-*", reason: dhcpLease, fate: drop},
		{pattern: "/var/lib/cloud/instance", reason: cloudInit, fate: drop},
		{pattern: "/var/lib/cloud/instances/*", reason: cloudInit, fate: drop, dirs: true},
		{pattern: "/var/lib/cloud/data/*", reason: cloudInit, fate: drop, dirs: true},
		{pattern: "/var/lib/cloud/sem/*", reason: cloudInit, fate: drop, dirs: true},
		{pattern: "/etc/machine-id", reason: machineID + ": emptied", fate: blank},
		{pattern: "/var/lib/dbus/machine-id", reason: machineID, fate: dropFile},
		{pattern: "/etc/ssh/ssh_host_*_key", reason: sshHostKey, fate: hostKey},
		{pattern: "/etc/ssh/ssh_host_*_key.pub", reason: sshHostKey, fate: hostKey},
	}
}

// makesHostKeys says whether something in the tree makes SSH host keys at the next boot where there are none.
func makesHostKeys(t *Tree) bool {
	if t.kindOf("/usr/bin/cloud-init") == unix.S_IFREG && t.kindOf("/etc/cloud/cloud-init.disabled") == 0 {
		return true
	}
	if t.kindOf("/usr/sbin/sshd-gen-keys-start") == unix.S_IFREG { // SUSE: sshd.service runs it first
		return true
	}
	for _, unit := range []string{"sshd-keygen.service", "sshd-keygen@.service", "sshdgenkeys.service"} {
		// In systemd's order; a link in the first (masked: to /dev/null) hides the others.
		for _, dir := range []string{"/etc/systemd/system/", "/usr/lib/systemd/system/", "/lib/systemd/system/"} {
			if kind := t.kindOf(dir + unit); kind == unix.S_IFREG {
				return true
			} else if kind == unix.S_IFLNK {
				break
			}
		}
	}
	return false
}
