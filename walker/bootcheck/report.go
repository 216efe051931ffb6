package bootcheck

import (
	"io"
	"slices"

	"purebundle/walker"
	"purebundle/walker/edit"
	"purebundle/walker/fat"
	"purebundle/walker/survey"
)

// Target says on which machines a disk is to start: what they need is required, what
// others need is only noted.
type Target string

// The targets.
const (
	Any Target = "any" // a machine of any kind
	KVM Target = "kvm" // QEMU and KVM with virtio devices
	AWS Target = "aws" // EC2, instance types on Nitro
)

// Targets lists them.
var Targets = []Target{Any, KVM, AWS}

// Options say what is known besides the tree. The zero value is that of a tree of which
// nothing else is known, such as one in a chroot.
type Options struct {
	For     Target          // "" is Any
	Machine *survey.Machine // what the tree's root lies on
	Device  io.ReaderAt     // the disk of Machine, for its boot loader; nil: it is not looked at
	// Facts say which file systems the new disk has. Edited says that texts are judged as
	// Facts edit them; else as they are.
	Facts  *edit.Facts
	Edited bool
	// ESP is the EFI system partition as the new disk has it; nil: that of the tree, if it is
	// mounted there.
	ESP *fat.Volume
}

// Severity says how bad a finding is.
type Severity string

// The severities.
const (
	Fatal   Severity = "fatal"   // it will not start, or nobody can reach it
	Warning Severity = "warning" // it starts, but not everywhere or not as it should
	Note    Severity = "note"    // good to know
)

// Finding is one thing that is not as it should be.
type Finding struct {
	ID       string   `json:"id"` // of IDs
	Severity Severity `json:"severity"`
	Path     string   `json:"path,omitempty"` // of the file or directory that it is about
	What     string   `json:"what"`
	Why      string   `json:"why"`            // why it matters
	Cure     string   `json:"cure,omitempty"` // a command for a shell of root's in the tree, or what to do
}

// The findings, by ID.
const (
	NoKernel         = "no-kernel"
	NoInitrd         = "no-initrd"
	NoLoader         = "no-loader"
	NoModules        = "no-modules"
	KernelGone       = "kernel-gone"
	InitrdUnread     = "initrd-unread"
	InitrdKernel     = "initrd-kernel"
	InitrdExt4       = "initrd-ext4"
	InitrdDriver     = "initrd-driver"
	NetworkDriver    = "network-driver"
	RootDevice       = "root-device"
	RootType         = "root-type"
	RootFlags        = "root-flags"
	Console          = "console"
	GrubConfig       = "grub-config"
	BIOSLoader       = "bios-loader"
	BIOSFileSystem   = "bios-file-system"
	EFIFallback      = "efi-fallback"
	EFIShim          = "efi-shim"
	EFIStub          = "efi-stub"
	EFIFileSystem    = "efi-file-system"
	EFIUnseen        = "efi-unseen"
	FstabRoot        = "fstab-root"
	FstabAbsent      = "fstab-absent"
	SELinuxLabels    = "selinux-labels"
	NetworkInterface = "network-interface"
	NetworkMAC       = "network-mac"
	SharedHostKeys   = "host-keys"
)

// IDs lists the findings that there can be.
var IDs = []string{
	NoKernel, NoInitrd, NoLoader, NoModules, KernelGone, InitrdUnread, InitrdKernel, InitrdExt4, InitrdDriver, NetworkDriver,
	RootDevice, RootType, RootFlags, Console, GrubConfig, BIOSLoader, BIOSFileSystem, EFIFallback, EFIShim, EFIStub, EFIFileSystem, EFIUnseen,
	FstabRoot, FstabAbsent, SELinuxLabels, NetworkInterface, NetworkMAC, SharedHostKeys,
}

// Report says how a machine starts, and what was found. Findings are in the order in
// which a machine would meet them.
type Report struct {
	Starts   []Start   `json:"starts"` // none: it does not start, or it is not known how
	Kernel   *Booted   `json:"kernel"` // null: none was found
	Findings []Finding `json:"findings"`
}

// Start is a way to start, as far as it is whole.
type Start struct {
	Firmware string `json:"firmware"` // "bios", "uefi"
	Loader   string `json:"loader"`   // "GRUB", "shim and GRUB", "systemd-boot"
}

// Booted is the kernel that starts unless somebody chooses another one.
type Booted struct {
	Version string   `json:"version"`
	Path    string   `json:"path"`
	Initrd  string   `json:"initrd"`
	Drivers []string `json:"drivers"` // built in or in the initrd, of those that are asked for
	Command string   `json:"command"` // its command line; "" if it is not known
}

// Fatal says whether a finding is one without whose cure the machine does not start.
func (r *Report) Fatal() bool {
	return slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Severity == Fatal })
}

// Check judges a tree.
func Check(v *walker.View, opt Options) *Report {
	if opt.For == "" {
		opt.For = Any
	}
	c := &check{View: v, opt: opt, files: Find(v), Report: Report{Starts: []Start{}, Findings: []Finding{}}}
	c.loadEntries()
	c.firmware()
	c.kernel()
	c.commandLine()
	c.fstab()
	c.selinux()
	c.network()
	c.hostKeys()
	return &c.Report
}

// check is one check.
type check struct {
	*walker.View
	Report
	opt     Options
	files   *Files
	entries []entry // of boot loaders, the one that starts first
}

// disk returns the disk that the root lies on, nil if there is none.
func (c *check) disk() *survey.Disk {
	if c.opt.Machine == nil {
		return nil
	}
	return c.opt.Machine.Disk
}

func (c *check) find(f Finding) {
	if !slices.Contains(c.Findings, f) {
		c.Findings = append(c.Findings, f)
	}
}

// text returns a text of the tree as the new disk has it, "" if there is none.
func (c *check) text(name string) string {
	b, err := c.ReadFile(name, maxText)
	if err != nil {
		return ""
	}
	if !c.opt.Edited || c.opt.Facts == nil {
		return string(b)
	}
	if edited, _, err := c.opt.Facts.Edit(name, b); err == nil {
		b = edited
	}
	return string(b)
}

// severity returns a for the targets in list, else b.
func (c *check) severity(a, b Severity, list ...Target) Severity {
	if slices.Contains(list, c.opt.For) {
		return a
	}
	return b
}

// cite cuts what a sentence cites of a file.
func cite(text string) string {
	const most = 120 // bytes
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}
