package bootcheck

import (
	"slices"
	"strings"
)

// selinux judges whether files have the labels that a policy goes by.
func (c *check) selinux() {
	config := assignments(c.text("/etc/selinux/config"))
	mode := config["SELINUX"]
	policy, _ := c.Names("/etc/selinux/" + config["SELINUXTYPE"] + "/policy")
	if mode != "enforcing" && mode != "permissive" || len(policy) == 0 || c.IsFile("/.autorelabel") {
		return
	}
	if len(c.entries) > 0 {
		words := strings.Fields(c.entries[0].options)
		if slices.Contains(words, "selinux=0") {
			return
		}
		if slices.Contains(words, "enforcing=0") {
			mode = "permissive"
		}
	}
	for _, name := range []string{"/etc/passwd", "/usr/lib/systemd/systemd", "/bin/sh"} {
		labelled, err := c.Has(name, "security.selinux")
		if err != nil || labelled {
			continue
		}
		f := Finding{SELinuxLabels, Warning, name, "SELinux is " + mode + ", and " + name + " has no label",
			"files without labels are out of bounds for nearly all programs: nobody can log in", "touch /.autorelabel"}
		if mode == "enforcing" {
			f.Severity = Fatal
		}
		c.find(f)
		return
	}
}

// hostKeys finds that nothing makes a new machine's identity.
func (c *check) hostKeys() {
	if !c.IsFile("/usr/sbin/sshd") || c.MakesHostKeys() {
		return
	}
	const unit = `[Unit]\nConditionPathExists=!/etc/ssh/ssh_host_ed25519_key\nBefore=ssh.service sshd.service\n[Service]\nType=oneshot\nExecStart=/usr/bin/ssh-keygen -A\n[Install]\nWantedBy=multi-user.target\n`
	c.find(Finding{SharedHostKeys, Warning, "/etc/ssh", "nothing makes new SSH host keys at boot (no cloud-init, no sshd-keygen.service)",
		"all machines that start from the image have the keys of this one, and can pretend to be one another",
		"printf '" + unit + "' > /etc/systemd/system/sshd-keygen.service && systemctl enable sshd-keygen.service"})
}
