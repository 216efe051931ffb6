package bootcheck

import (
	"fmt"
	"slices"
	"strings"

	"purebundle/walker"
)

// Distro says by which commands a tree's packages and initrds are made.
type Distro struct {
	ID     string // of os-release: "debian", "ubuntu", "fedora"
	family string // whose packages it has: "debian", "fedora", "suse", "arch", "alpine"; "" if that is not known
	initrd string // what makes its initrds, of the makers below; "" if that is not known
}

// Makers of initrds.
const (
	initramfsTools = "initramfs-tools"
	dracut         = "dracut"
	mkinitcpio     = "mkinitcpio"
	mkinitfs       = "mkinitfs"
)

func distro(v *walker.View) Distro {
	var d Distro
	release, err := v.ReadFile("/etc/os-release", maxText)
	if err != nil {
		release, _ = v.ReadFile("/usr/lib/os-release", maxText)
	}
	values := assignments(string(release))
	d.ID = values["ID"]
	for _, id := range append([]string{d.ID}, strings.Fields(values["ID_LIKE"])...) {
		switch id {
		case "debian", "ubuntu":
			d.family = "debian"
		case "fedora", "rhel", "centos", "amzn":
			d.family = "fedora"
		case "suse", "opensuse", "sles":
			d.family = "suse"
		case "arch", "alpine":
			d.family = id
		}
		if d.family != "" {
			break
		}
	}
	for _, m := range []struct{ maker, program string }{
		{initramfsTools, "/usr/sbin/mkinitramfs"}, {dracut, "/usr/bin/dracut"}, {dracut, "/usr/sbin/dracut"}, {dracut, "/sbin/dracut"},
		{mkinitcpio, "/usr/bin/mkinitcpio"}, {mkinitfs, "/sbin/mkinitfs"},
	} {
		if v.IsFile(m.program) {
			d.initrd = m.maker
			break
		}
	}
	return d
}

// assignments returns what a text of the shell's form NAME=VALUE assigns, as os-release
// and the files in /etc/default and /etc/sysconfig have it.
func assignments(text string) map[string]string {
	m := make(map[string]string)
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || name == "" || name[0] == '#' || len(m) >= maxWords {
			continue
		}
		value = strings.TrimSpace(value)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		m[strings.TrimPrefix(name, "export ")] = value
	}
	return m
}

// Bounds of the texts that are read.
const (
	maxText  = 1 << 20 // bytes
	maxWords = 10000
)

// Lacks returns what is missing for a machine to start by EFI from a new disk, each with
// the command that brings it; nil if nothing is.
func (f *Files) Lacks() []Lack {
	var list []Lack
	need := func(id, what string, packages map[string]string) {
		list = append(list, Lack{ID: id, What: what, Cure: f.Distro.install(packages)})
	}
	if f.Arch == "" {
		return []Lack{{ID: NoLoader, What: "programs for a processor that starts by EFI here (x86-64, ARM64)"}}
	}
	deb, rpm := map[Arch]string{X64: "amd64", AA64: "arm64"}[f.Arch], map[Arch]string{X64: "x64", AA64: "aa64"}[f.Arch]
	suse := map[Arch]string{X64: "x86_64", AA64: "arm64"}[f.Arch]
	kernel := "linux-image-" + deb
	if f.Distro.ID == "ubuntu" {
		kernel = "linux-image-generic"
	}
	if !slices.ContainsFunc(f.Kernels, func(k Kernel) bool { return k.Modules != "" }) {
		need(NoKernel, "a kernel", map[string]string{"debian": kernel + " initramfs-tools", "fedora": "kernel dracut", "suse": "kernel-default dracut", "arch": "linux mkinitcpio", "alpine": "linux-virt"})
	} else if !slices.ContainsFunc(f.Kernels, func(k Kernel) bool { return k.Initrd != "" }) {
		list = append(list, Lack{ID: NoInitrd, What: "an initrd", Cure: f.Distro.rebuild(f.Kernels[0])})
	}
	if len(f.Loaders) == 0 {
		need(NoLoader, "a boot loader for EFI: GRUB with its shim, or systemd-boot", map[string]string{
			"debian": "grub-efi-" + deb + "-signed shim-signed", "fedora": "grub2-efi-" + rpm + " shim-" + rpm,
			"suse": "grub2-" + suse + "-efi shim", "arch": "systemd", "alpine": "systemd-boot"})
	}
	return list
}

// Lack is something that a tree lacks.
type Lack struct {
	ID   string // of its finding
	What string // "a kernel"
	Cure string // "apt install linux-image-amd64"; "" if it is not known
}

func (l Lack) String() string {
	if l.Cure == "" {
		return l.What
	}
	return fmt.Sprintf("%s (%s)", l.What, l.Cure)
}

// install returns the command that installs packages, given by family; "" if none is
// known.
func (d Distro) install(packages map[string]string) string {
	names := packages[d.family]
	if names == "" {
		return ""
	}
	switch d.family {
	case "debian":
		return "apt-get install " + names
	case "fedora":
		return "dnf install " + names
	case "suse":
		return "zypper install " + names
	case "arch":
		return "pacman -S " + names
	}
	return "apk add " + names
}

// plain says whether words that a tree has can stand in a command for a shell: whoever made
// the tree may want that the command does something else.
func plain(words ...string) bool {
	for _, w := range words {
		if strings.Trim(w, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.:=,@+-") != "" {
			return false
		}
	}
	return true
}

// rebuild returns the command that makes the initrd of a kernel.
func (d Distro) rebuild(k Kernel) string { return d.addDrivers(k, nil) }

// addDrivers returns the command that makes the initrd of a kernel with drivers in it.
func (d Distro) addDrivers(k Kernel, drivers []string) string {
	if !plain(k.Version, k.Initrd) {
		return ""
	}
	list := strings.Join(drivers, " ")
	switch d.initrd {
	case initramfsTools:
		mode := "-u"
		if k.Initrd == "" {
			mode = "-c"
		}
		command := "update-initramfs " + mode + " -k " + k.Version
		if list != "" {
			command = "printf '%s\\n' " + list + " >> /etc/initramfs-tools/modules && " + command
		}
		return command
	case dracut:
		initrd := k.Initrd
		if initrd == "" {
			initrd = "/boot/initramfs-" + k.Version + ".img"
			if d.family == "debian" {
				initrd = "/boot/initrd.img-" + k.Version
			}
		}
		if list != "" {
			return fmt.Sprintf("dracut -f --add-drivers %q %s %s", list, initrd, k.Version)
		}
		return "dracut -f " + initrd + " " + k.Version
	case mkinitcpio:
		if list != "" {
			return "sed -i 's/^MODULES=(/&" + list + " /' /etc/mkinitcpio.conf && mkinitcpio -P"
		}
		return "mkinitcpio -P"
	case mkinitfs:
		if list != "" {
			return "printf '%s\\n' " + strings.ReplaceAll(list, " ", ".ko ") + " > /etc/mkinitfs/features.d/purebundle.modules && sed -i 's/features=\"/&purebundle /' /etc/mkinitfs/mkinitfs.conf && mkinitfs " + k.Version
		}
		return "mkinitfs " + k.Version
	}
	return ""
}

// modules returns the command that brings the modules of a kernel, or lists them anew.
func (d Distro) modules(k Kernel) string {
	if !plain(k.Version) {
		return ""
	}
	if k.Modules != "" {
		return "depmod -a " + k.Version
	}
	switch d.family {
	case "debian":
		return "apt-get install --reinstall linux-image-" + k.Version
	case "fedora":
		return "dnf reinstall kernel-core-" + k.Version + " kernel-modules-" + k.Version
	case "suse":
		return "zypper install --force kernel-default"
	case "arch":
		return "pacman -S linux"
	}
	return ""
}

// mkconfig returns the command that makes the configuration of GRUB anew.
func (d Distro) mkconfig(v *walker.View) string {
	for _, name := range []string{"/usr/sbin/update-grub", "/usr/bin/update-grub"} {
		if v.IsFile(name) {
			return "update-grub"
		}
	}
	if v.IsDir("/boot/grub2") || d.family == "fedora" || d.family == "suse" {
		return "grub2-mkconfig -o /boot/grub2/grub.cfg"
	}
	return "grub-mkconfig -o /boot/grub/grub.cfg"
}

// addOption returns the command that adds options to the kernel's command line.
func (d Distro) addOption(v *walker.View, options string) string {
	switch {
	case v.IsFile("/usr/sbin/grubby"):
		return fmt.Sprintf("grubby --update-kernel=ALL --args=%q", options)
	case v.IsFile("/etc/default/grub"):
		return fmt.Sprintf(`sed -i 's|^GRUB_CMDLINE_LINUX="|&%s |' /etc/default/grub && %s`, options, d.mkconfig(v))
	case v.IsFile("/etc/kernel/cmdline"):
		return fmt.Sprintf("sed -i 's|$| %s|' /etc/kernel/cmdline && kernel-install add-all", options)
	}
	return "add " + options + " to the command line in the configuration of the boot loader"
}
