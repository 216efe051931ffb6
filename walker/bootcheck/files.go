package bootcheck

import (
	"bytes"
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"purebundle/walker"
	"purebundle/walker/grubimage"
)

// Files are those that a machine starts from, as far as they lie in a tree. Paths are
// those of the tree, without symbolic links in them.
type Files struct {
	Arch    Arch
	Kernels []Kernel // newest first; rescue kernels are none
	Loaders []Loader // for EFI, the best first: signed ones with a shim
	Distro  Distro
}

// Arch is a kind of processor, by what EFI adds to names: "x64", "aa64"; "" if it is not
// known, or none of these.
type Arch string

// The kinds of processors.
const (
	X64  Arch = "x64"
	AA64 Arch = "aa64"
)

// Fallback returns the path below EFI/BOOT that firmware starts if it remembers no other:
// "BOOTX64.EFI".
func (a Arch) Fallback() string { return "BOOT" + strings.ToUpper(string(a)) + ".EFI" }

// Kernel is a kernel of Linux with what belongs to it, "" for what is missing.
type Kernel struct {
	Path    string // "/boot/vmlinuz-6.1.0-18-amd64"
	Version string // as uname -r has it; "" if the kernel does not say
	Initrd  string
	Modules string // the directory of its modules
}

// Loader is a boot loader for EFI, "" for what it has not.
type Loader struct {
	Kind       string // of Kinds
	Start      string // what firmware starts: the shim if there is one, else the loader
	Shim       string
	Path       string // the loader itself
	MokManager string // which a shim starts to enrol keys
	Signed     bool   // all of them are
	// Prefix is where GRUB looks for grub.cfg in the partition that it was started from:
	// "/EFI/debian"; "" for systemd-boot, or if GRUB does not say.
	Prefix string
}

// Kinds of loaders.
const (
	GRUB        = "GRUB"
	SystemdBoot = "systemd-boot"
)

// Find finds the files.
func Find(v *walker.View) *Files {
	f := &Files{Distro: distro(v), Arch: arch(v)}
	f.Kernels = kernels(v)
	if f.Arch != "" {
		f.Loaders = loaders(v, f.Arch)
	}
	return f
}

// arch reads from a program which processor it is for: e_machine, at 18, of ELF.
func arch(v *walker.View) Arch {
	for _, name := range []string{"/bin/sh", "/usr/bin/env", "/sbin/init", "/usr/lib/systemd/systemd"} {
		head := head(v, name, 20)
		if len(head) < 20 || !bytes.HasPrefix(head, []byte("\x7fELF")) {
			continue
		}
		switch binary.LittleEndian.Uint16(head[18:]) {
		case 62: // EM_X86_64
			return X64
		case 183: // EM_AARCH64
			return AA64
		}
	}
	return ""
}

// head returns the first n bytes of a file, fewer if it is shorter, none if it cannot be
// read.
func head(v *walker.View, name string, n int) []byte {
	f, err := v.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, n)
	got, _ := f.ReadAt(b, 0)
	return b[:got]
}

// maxKernels bounds how many kernels and directories of modules are looked at.
const maxKernels = 64

// kernels finds kernels in the places where packages and kernel-install(8) put them.
func kernels(v *walker.View) (list []Kernel) {
	for _, dir := range []string{"/boot", "/efi", "/boot/efi"} {
		names, _ := v.Names(dir) // a tree may lack it
		for _, name := range names {
			if suffix, ok := kernelSuffix(name); ok && v.IsFile(path.Join(dir, name)) {
				list = add(list, besides(v, dir, name, suffix))
			}
			if len(name) == 32 || dir != "/boot" || strings.IndexByte(name, '-') > 0 { // machine-id or entry token
				list = installed(v, path.Join(dir, name), list)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Kernel) int { return Compare(b.Version, a.Version) })
	return list
}

// add adds a kernel that is not there under another name.
func add(list []Kernel, k Kernel) []Kernel {
	if len(list) >= maxKernels || slices.ContainsFunc(list, func(o Kernel) bool { return o.Path == k.Path }) {
		return list
	}
	return append(list, k)
}

// kernelSuffix returns what follows the name of a kernel: its version, or a flavour.
func kernelSuffix(name string) (string, bool) {
	for _, prefix := range []string{"vmlinuz-", "Image-", "vmlinux-", "kernel-"} {
		if suffix, ok := strings.CutPrefix(name, prefix); ok {
			odd := strings.HasPrefix(suffix, "0-rescue") || strings.HasSuffix(suffix, ".old") || strings.HasSuffix(suffix, ".gz")
			return suffix, !odd
		}
	}
	return "", false
}

// besides returns a kernel with the initrd that lies beside it. The suffix of both is the
// version, or the name of the package: "linux" of Arch, "lts" of Alpine.
func besides(v *walker.View, dir, name, suffix string) Kernel {
	k := Kernel{Path: v.Real(path.Join(dir, name)), Version: suffix}
	if modules := "/lib/modules/" + suffix; v.IsDir(modules) {
		k.Modules = v.Real(modules)
	} else if own := versionOf(v, k.Path); own != "" {
		k.Version = own
		if modules := "/lib/modules/" + own; v.IsDir(modules) {
			k.Modules = v.Real(modules)
		}
	}
	for _, s := range slices.Compact([]string{suffix, k.Version}) {
		for _, n := range []string{"initrd.img-" + s, "initramfs-" + s + ".img", "initrd-" + s, "initramfs-" + s, "initrd-" + s + ".img", "booster-" + s + ".img"} {
			if at := path.Join(dir, n); k.Initrd == "" && v.IsFile(at) {
				k.Initrd = v.Real(at)
			}
		}
	}
	return k
}

// installed adds the kernels that kernel-install(8) put into TOKEN/VERSION/linux.
func installed(v *walker.View, dir string, list []Kernel) []Kernel {
	versions, _ := v.Names(dir)
	for _, version := range versions {
		at := path.Join(dir, version, "linux")
		if version == "0-rescue" || !v.IsFile(at) {
			continue
		}
		k := Kernel{Path: v.Real(at), Version: version}
		for _, n := range []string{"initrd", "initrd.img", "initramfs.img"} {
			if at := path.Join(dir, version, n); k.Initrd == "" && v.IsFile(at) {
				k.Initrd = v.Real(at)
			}
		}
		if modules := "/lib/modules/" + version; v.IsDir(modules) {
			k.Modules = v.Real(modules)
		}
		list = add(list, k)
	}
	return list
}

// versionOf returns the version that a kernel for x86 says it has: "HdrS" at 0x202, and
// at 0x20e (2 bytes) where the text begins, counted from 0x200 (Documentation/arch/x86/boot.rst).
func versionOf(v *walker.View, name string) string {
	b := head(v, name, 0x10200)
	if len(b) < 0x210 || string(b[0x202:0x206]) != "HdrS" {
		return ""
	}
	at := 0x200 + int(binary.LittleEndian.Uint16(b[0x20e:]))
	if at >= len(b) {
		return ""
	}
	end := bytes.IndexAny(b[at:min(at+128, len(b))], " \x00")
	if end <= 0 || bytes.IndexByte(b[at:at+end], '/') >= 0 {
		return ""
	}
	return string(b[at : at+end])
}

// Compare compares versions of kernels: runs of digits count as numbers.
func Compare(a, b string) int {
	for a != "" && b != "" {
		x, y := run(a), run(b)
		a, b = a[len(x):], b[len(y):]
		if isDigit(x[0]) && isDigit(y[0]) {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// run returns the digits that s begins with, or what comes before the first one.
func run(s string) string {
	for i := range len(s) {
		if isDigit(s[i]) != isDigit(s[0]) {
			return s[:i]
		}
	}
	return s
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// maxProgram bounds a boot loader, in bytes: Debian's GRUB has 4 MiB.
const maxProgram = 32 << 20

// loaders finds boot loaders for EFI among what packages bring, and in an EFI system
// partition that is part of the tree.
func loaders(v *walker.View, a Arch) (list []Loader) {
	s := string(a)
	cpu := map[Arch]string{X64: "x86_64", AA64: "arm64"}[a]
	rpm := map[Arch]string{X64: "x86_64", AA64: "aarch64"}[a]
	sets := []struct{ shims, mok, grubs []string }{
		{ // Debian, Ubuntu
			[]string{"/usr/lib/shim/shim" + s + ".efi.signed", "/usr/lib/shim/shim" + s + ".efi.signed.latest"},
			[]string{"/usr/lib/shim/mm" + s + ".efi.signed", "/usr/lib/shim/mm" + s + ".efi"},
			[]string{"/usr/lib/grub/" + cpu + "-efi-signed/grub" + s + ".efi.signed"},
		},
		{ // SUSE
			[]string{"/usr/share/efi/" + rpm + "/shim.efi"},
			[]string{"/usr/share/efi/" + rpm + "/MokManager.efi"},
			[]string{"/usr/share/efi/" + rpm + "/grub.efi"},
		},
	}
	for _, dir := range vendors(v) { // Fedora and its kin have them only there
		sets = append(sets, struct{ shims, mok, grubs []string }{
			[]string{dir + "/shim" + s + ".efi"}, []string{dir + "/mm" + s + ".efi"}, []string{dir + "/grub" + s + ".efi"},
		})
	}
	for _, set := range sets {
		list = append(list, grub(v, set.shims, set.mok, set.grubs)...)
	}
	for _, name := range []string{"systemd-boot" + s + ".efi.signed", "systemd-boot" + s + ".efi"} {
		list = append(list, single(v, SystemdBoot, "/usr/lib/systemd/boot/efi/"+name)...)
	}
	list = append(list, single(v, GRUB, "/usr/lib/grub/"+cpu+"-efi/monolithic/grub"+s+".efi")...)
	slices.SortStableFunc(list, func(a, b Loader) int { return a.rank() - b.rank() })
	return list
}

// rank is lower for what starts on more machines.
func (l *Loader) rank() int {
	switch {
	case l.Shim != "" && l.Signed:
		return 0
	case l.Signed:
		return 1
	}
	return 2
}

// maxVendors bounds the directories of an EFI system partition that are looked at.
const maxVendors = 32

// vendors returns the directories of EFI system partitions in which vendors have their
// loaders.
func vendors(v *walker.View) (dirs []string) {
	for _, esp := range []string{"/boot/efi", "/efi", "/boot"} {
		names, _ := v.Names(esp + "/EFI")
		for _, name := range names {
			if !strings.EqualFold(name, "BOOT") && len(dirs) < maxVendors {
				dirs = append(dirs, path.Join(esp, "EFI", name))
			}
		}
	}
	return dirs
}

// grub returns the loader that the first files there are make, none without a GRUB.
func grub(v *walker.View, shims, moks, grubs []string) []Loader {
	list := single(v, GRUB, first(v, grubs))
	if len(list) == 0 {
		return nil
	}
	l := &list[0]
	if l.Shim = first(v, shims); l.Shim == "" {
		return list
	}
	l.Start, l.MokManager = l.Shim, first(v, moks)
	b, err := v.ReadFile(l.Shim, maxProgram)
	signed, err2 := grubimage.Signed(b)
	l.Signed = l.Signed && signed && err == nil && err2 == nil
	return list
}

// single returns a loader of one file, none if it is not there or no program.
func single(v *walker.View, kind, name string) []Loader {
	if name == "" || !v.IsFile(name) {
		return nil
	}
	b, err := v.ReadFile(name, maxProgram)
	if err != nil {
		return nil
	}
	l := Loader{Kind: kind, Path: v.Real(name)}
	l.Start = l.Path
	if l.Signed, err = grubimage.Signed(b); err != nil {
		return nil
	}
	if kind == GRUB {
		if image, err := grubimage.EFI(b); err == nil {
			l.Prefix = image.Prefix
		}
	}
	return []Loader{l}
}

// first returns the first file that is there, without symbolic links in its path.
func first(v *walker.View, names []string) string {
	for _, name := range names {
		if v.IsFile(name) {
			return v.Real(name)
		}
	}
	return ""
}
