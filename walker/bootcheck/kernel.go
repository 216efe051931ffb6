package bootcheck

import (
	"bufio"
	"fmt"
	"path"
	"slices"
	"strings"

	"purebundle/walker/initrd"
)

// Modules that are looked for, by the names that modprobe takes with "_" for "-".
var (
	rootModule   = "ext4"
	diskDrivers  = []string{"nvme", "virtio_blk", "xen_blkfront"}
	otherDisks   = []string{"virtio_scsi", "sd_mod", "ahci", "hv_storvsc", "vmw_pvscsi", "mptspi", "mmc_block"}
	networkCards = []string{"ena", "virtio_net"}
)

// kernel judges the kernel that starts, and its initrd.
func (c *check) kernel() {
	k, ok := c.booted()
	if !ok {
		return
	}
	c.Kernel = &Booted{Version: k.Version, Path: k.Path, Initrd: k.Initrd, Drivers: []string{}}
	if len(c.entries) > 0 {
		c.Kernel.Command = c.entries[0].options
	}
	has, known := c.modules(k)
	if !known {
		c.find(Finding{NoModules, Warning, path.Join("/lib/modules", k.Version),
			fmt.Sprintf("kernel %s has no modules, or no list of them", k.Version),
			"drivers that are not built in or in the initrd, such as those of network cards, are missing",
			c.files.Distro.modules(k)})
	}
	if known {
		c.networkDriver(k, has)
	}
	builtin := c.builtin(k)
	if k.Initrd == "" {
		c.noInitrd(k, builtin)
		return
	}
	c.initrd(k, builtin)
}

// booted returns the kernel that starts.
func (c *check) booted() (Kernel, bool) {
	if len(c.entries) > 0 && c.entries[0].kernel != "" {
		e := c.entries[0]
		i := slices.IndexFunc(c.files.Kernels, func(k Kernel) bool { return k.Path == e.kernel })
		if i < 0 && c.IsFile(e.kernel) { // of another name
			k := besides(c.View, path.Dir(e.kernel), path.Base(e.kernel), strings.TrimPrefix(path.Base(e.kernel), "vmlinuz-"))
			return c.named(k, e), true
		}
		if i < 0 {
			c.find(Finding{KernelGone, Fatal, e.kernel, fmt.Sprintf("%s starts %s, which is not there", e.from, e.kernel),
				"the boot loader has nothing to start", c.files.Distro.mkconfig(c.View)})
			return Kernel{}, false
		}
		return c.named(c.files.Kernels[i], e), true
	}
	if len(c.files.Kernels) > 0 {
		return c.files.Kernels[0], true
	}
	if c.disk() != nil { // else Lacks says it
		c.lacks(NoKernel)
	}
	return Kernel{}, false
}

// named gives a kernel the initrd that the boot loader names.
func (c *check) named(k Kernel, e entry) Kernel {
	k.Initrd = ""
	for _, name := range e.initrds {
		if c.IsFile(name) { // the last is the main one, microcode comes before
			k.Initrd = c.Real(name)
		}
	}
	return k
}

// lacks finds what a tree lacks to start.
func (c *check) lacks(ids ...string) {
	for _, l := range c.files.Lacks() {
		if slices.Contains(ids, l.ID) {
			c.find(Finding{l.ID, Fatal, "", "there is no " + strings.TrimPrefix(strings.TrimPrefix(l.What, "an "), "a "), "a machine starts from a boot loader, a kernel and an initrd", l.Cure})
		}
	}
}

// noInitrd judges a kernel without an initrd, which starts if all that it needs is built in
// and root has a name that it knows itself.
func (c *check) noInitrd(k Kernel, builtin map[string]bool) {
	root := c.option("root")
	named := strings.HasPrefix(root, "PARTUUID=") || strings.HasPrefix(root, "/dev/")
	drivers := slices.ContainsFunc(diskDrivers, func(d string) bool { return builtin[d] })
	if named && drivers && builtin[rootModule] {
		return
	}
	f := Finding{NoInitrd, Fatal, k.Path, fmt.Sprintf("kernel %s has no initrd", k.Version),
		"without one it finds no root by UUID or label, and has only the drivers that are built in", c.files.Distro.rebuild(Kernel{Version: k.Version})}
	c.find(f)
}

// initrd judges what is in an initrd.
func (c *check) initrd(k Kernel, builtin map[string]bool) {
	found, err := c.listInitrd(k)
	has := func(m string) bool { return builtin[m] || found.modules[m] }
	switch {
	case err != nil:
		c.find(Finding{InitrdUnread, Warning, k.Initrd, fmt.Sprintf("the initrd of kernel %s cannot be read: %s", k.Version, cite(err.Error())),
			"whether it has the drivers for root is not known; a damaged one does not start", c.files.Distro.rebuild(k)})
		return
	case found.hidden:
		c.find(Finding{InitrdUnread, Note, k.Initrd, fmt.Sprintf("the initrd of kernel %s keeps its files in a squashfs, which is not read", k.Version),
			"whether it has the drivers for root is not known", ""})
		return
	case len(found.modules) == 0 && found.other != "" && !builtin[rootModule]:
		c.find(Finding{InitrdKernel, Fatal, k.Initrd, fmt.Sprintf("the initrd of kernel %s has the modules of %s", k.Version, found.other),
			"a kernel loads no modules of another version, so it cannot mount root", c.files.Distro.rebuild(k)})
		return
	}
	for _, m := range slices.Concat([]string{rootModule}, diskDrivers) {
		if has(m) {
			c.Kernel.Drivers = append(c.Kernel.Drivers, m)
		}
	}
	if !has(rootModule) {
		c.find(Finding{InitrdExt4, Fatal, k.Initrd, fmt.Sprintf("the initrd of kernel %s has no ext4, and it is not built in", k.Version),
			"root is an ext4 in the image, and cannot be mounted", c.files.Distro.addDrivers(k, []string{rootModule})})
	}
	c.diskDriver(k, has)
}

// diskDriver judges the drivers of disks.
func (c *check) diskDriver(k Kernel, has func(string) bool) {
	worst := Severity("")
	var missing []string
	lacks := func(s Severity, m string) {
		if has(m) {
			return
		}
		missing = append(missing, m)
		if worst == "" || worst == Note || s == Fatal {
			worst = s
		}
	}
	none := !slices.ContainsFunc(slices.Concat(diskDrivers, otherDisks), has)
	switch {
	case none:
		lacks(Fatal, "nvme")
		lacks(Fatal, "virtio_blk")
	case c.opt.For == AWS:
		lacks(Fatal, "nvme")
		lacks(Note, "xen_blkfront")
	case c.opt.For == KVM:
		lacks(map[bool]Severity{true: Warning, false: Fatal}[has("virtio_scsi")], "virtio_blk")
		lacks(Note, "nvme")
	default:
		lacks(Warning, "nvme")
		lacks(Warning, "virtio_blk")
		lacks(Note, "xen_blkfront")
	}
	if worst == "" {
		return
	}
	where := map[string]string{"nvme": "EC2 on Nitro and disks of type NVMe", "virtio_blk": "virtio disks of KVM", "xen_blkfront": "Xen, which old instance types of EC2 are on"}
	var places []string
	for _, m := range missing {
		places = append(places, where[m])
	}
	c.find(Finding{InitrdDriver, worst, k.Initrd, fmt.Sprintf("the initrd of kernel %s has no %s", k.Version, strings.Join(missing, ", no ")),
		"root is not found on " + strings.Join(places, ", on "), c.files.Distro.addDrivers(k, missing)})
}

// networkDriver judges whether there are drivers of network cards, which need not be in the
// initrd.
func (c *check) networkDriver(k Kernel, has map[string]bool) {
	needs := map[Target][]string{AWS: {"ena"}, KVM: {"virtio_net"}, Any: networkCards}[c.opt.For]
	var missing []string
	for _, m := range needs {
		if !has[m] {
			missing = append(missing, m)
		}
	}
	if len(missing) > 0 {
		c.find(Finding{NetworkDriver, c.severity(Note, Fatal, Any), path.Join("/lib/modules", k.Version),
			fmt.Sprintf("kernel %s has no driver %s", k.Version, strings.Join(missing, ", no ")),
			"a machine whose network card has no driver starts, but nobody can reach it", c.files.Distro.modules(k)})
	}
}

// builtin returns which modules are built into a kernel.
func (c *check) builtin(k Kernel) map[string]bool { return c.listed(k, "modules.builtin", 1<<20) }

// modules returns which modules a kernel has, built in or as files; known is false if it
// has no list of them.
func (c *check) modules(k Kernel) (has map[string]bool, known bool) {
	if k.Modules == "" || !c.IsFile(k.Modules+"/modules.dep") {
		return nil, false
	}
	has = c.listed(k, "modules.dep", maxModuleList)
	for m := range c.builtin(k) {
		has[m] = true
	}
	return has, true
}

// maxModuleList bounds modules.dep, in bytes: Debian's has 700 KiB.
const maxModuleList = 16 << 20

// listed returns the modules that a file lists, one a line, each by its path.
func (c *check) listed(k Kernel, name string, limit int64) map[string]bool {
	has := make(map[string]bool)
	if k.Modules == "" {
		return has
	}
	f, err := c.Open(k.Modules + "/" + name)
	if err != nil {
		return has
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20) // bytes of a line: what the module depends on is in it
	for read := int64(0); lines.Scan() && read < limit; read += int64(len(lines.Bytes())) {
		file, _, _ := strings.Cut(lines.Text(), ":")
		if m := moduleName(file); wanted(m) {
			has[m] = true
		}
	}
	return has
}

// moduleName returns the name of the module in a file, "" if it is none.
func moduleName(file string) string {
	name, suffix, ok := strings.Cut(path.Base(file), ".ko")
	if !ok || suffix != "" && suffix != ".xz" && suffix != ".zst" && suffix != ".gz" {
		return ""
	}
	return strings.ReplaceAll(name, "-", "_")
}

func wanted(module string) bool {
	return module == rootModule || slices.Contains(diskDrivers, module) || slices.Contains(otherDisks, module) || slices.Contains(networkCards, module)
}

// contents are what matters of an initrd.
type contents struct {
	modules map[string]bool // wanted ones of the kernel
	other   string          // another version that has modules there
	hidden  bool            // they are in a squashfs
}

func (c *check) listInitrd(k Kernel) (found contents, err error) {
	found.modules = make(map[string]bool)
	f, err := c.Open(k.Initrd)
	if err != nil {
		return found, err
	}
	defer f.Close()
	squash := false
	err = initrd.Walk(f, func(e initrd.Entry) error {
		name := strings.TrimPrefix(strings.TrimPrefix(e.Name, "./"), "/")
		squash = squash || name == "squashfs-root.img" || name == "squash-root.img" || name == "squash/root.img"
		name = strings.TrimPrefix(name, "usr/")
		rest, ok := strings.CutPrefix(name, "lib/modules/")
		version, file, below := strings.Cut(rest, "/")
		m := moduleName(file)
		switch {
		case !ok || !below || m == "":
		case version != k.Version:
			found.other = version
		case wanted(m):
			found.modules[m] = true
		}
		return nil
	})
	found.hidden = squash && len(found.modules) == 0
	return found, err
}
