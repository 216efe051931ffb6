package bootcheck

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf16"

	"purebundle/walker/edit"
	"purebundle/walker/fat"
	"purebundle/walker/grubimage"
)

// espPath is where files of an EFI system partition are that is mounted nowhere.
const espPath = "ESP:"

// partition is the EFI system partition: a FAT, or the directory that it is mounted at.
// Paths are without a leading slash.
type partition struct {
	check *check
	fat   *fat.Volume // nil: the directory
	dir   string      // where it is mounted; espPath if nowhere
}

// partition returns the EFI system partition, if it can be looked at.
func (c *check) partition() (p partition, ok bool) {
	p = partition{c, c.opt.ESP, c.disk().Partitions[c.disk().ESP].MountPoint}
	ok = p.dir != "" || p.fat != nil
	if p.dir == "" {
		p.dir = espPath
	}
	return p, ok
}

// names returns the names in a directory, none if it cannot be read.
func (p *partition) names(dir string) (names []string) {
	if p.fat == nil {
		names, _ = p.check.Names(path.Join(p.dir, dir))
		return names
	}
	list, err := p.fat.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range list {
		names = append(names, e.Name)
	}
	return names
}

func (p *partition) read(name string) ([]byte, error) {
	if p.fat == nil {
		return p.check.ReadFile(path.Join(p.dir, name), maxProgram)
	}
	return p.fat.ReadFile(name, maxProgram)
}

// text returns a text as the new disk has it: in a FAT it is edited already.
func (p *partition) text(name string) string {
	if p.fat == nil {
		return p.check.text(path.Join(p.dir, name))
	}
	b, err := p.fat.ReadFile(name, maxText)
	if err != nil {
		return ""
	}
	return string(b)
}

// find returns the path of a file or directory as the partition has it, whose letters
// differ in their case only; "" if there is none.
func (p *partition) find(name string) string {
	at := ""
	for part := range strings.SplitSeq(name, "/") {
		names := p.names(at)
		i := slices.IndexFunc(names, func(n string) bool { return strings.EqualFold(n, part) })
		if i < 0 {
			return ""
		}
		at = path.Join(at, names[i])
	}
	return at
}

// efi judges what EFI firmware starts on a new machine, whose memory names no loader: it
// returns the name of the loader, or what is wrong with it.
func (c *check) efi() (loader string, f Finding) {
	p, ok := c.partition()
	if !ok {
		device := c.disk().Partitions[c.disk().ESP].Device
		return "", Finding{EFIUnseen, Note, "", "the EFI system partition " + device + " is not mounted", "whether firmware finds a boot loader in it is not known", "mount " + device + " /boot/efi"}
	}
	const dir = "EFI/BOOT/"
	grub, fb := "grub"+string(c.files.Arch)+".efi", "fb"+string(c.files.Arch)+".efi"
	start := p.find(dir + c.files.Arch.Fallback())
	if start == "" {
		return "", Finding{EFIFallback, "", p.dir, "the EFI system partition has no " + dir + c.files.Arch.Fallback(),
			"a new machine remembers no other boot loader, and starts none", c.fallback(p.dir)}
	}
	b, err := p.read(start)
	if err != nil || !grubimage.IsPE(b) {
		return "", Finding{EFIFallback, "", path.Join(p.dir, start), start + " is no program for EFI", "firmware does not start it", c.fallback(p.dir)}
	}
	if bytes.Contains(b, []byte("#### LoaderInfo: systemd-boot")) {
		return SystemdBoot, f
	}
	name := GRUB
	image, err := grubimage.EFI(b)
	if err != nil && bytes.Contains(b, wide(grub)) {
		name = "shim and GRUB"
		second := p.find(dir + grub)
		if second == "" && p.find(dir+fb) != "" {
			second = p.vendorGrub(grub)
		}
		if second == "" {
			return "", Finding{EFIShim, "", path.Join(p.dir, start), "beside the shim " + start + " is no " + grub + ", and no " + fb + " that leads to one",
				"the shim starts it and nothing else", c.fallback(p.dir)}
		}
		if b, err = p.read(second); err == nil {
			image, err = grubimage.EFI(b)
		}
		if err != nil {
			return "", Finding{EFIShim, "", path.Join(p.dir, second), second + " is no GRUB", "the shim does not start it", c.fallback(p.dir)}
		}
		start = second
	}
	if err != nil { // another program: a kernel with its initrd, rEFInd
		return path.Base(start), f
	}
	if !image.Has("ext2") {
		return "", Finding{EFIFileSystem, "", path.Join(p.dir, start), start + " has no driver for ext4", "it cannot read /boot, which is an ext4 in the image", c.fallback(p.dir)}
	}
	if f := p.stub(start, image); f.ID != "" {
		return "", f
	}
	return name, f
}

// vendorGrub returns the GRUB that the program fbx64.efi beside a shim leads to: it reads
// BOOTX64.CSV in the directories of vendors.
func (p *partition) vendorGrub(grub string) string {
	names := p.names(p.find("EFI"))
	csv := "BOOT" + string(p.check.files.Arch) + ".CSV"
	for _, name := range names[:min(len(names), maxVendors)] {
		dir := "EFI/" + name + "/"
		if !strings.EqualFold(name, "BOOT") && p.find(dir+csv) != "" && p.find(dir+grub) != "" {
			return p.find(dir + grub)
		}
	}
	return ""
}

// stub judges the grub.cfg in the EFI system partition, which leads to that of /boot.
func (p *partition) stub(grub string, image *grubimage.Image) (f Finding) {
	if !strings.HasPrefix(image.Prefix, "/EFI/") {
		return f
	}
	name := p.find(image.Prefix[1:] + "/grub.cfg")
	if name == "" {
		name = p.find(path.Dir(grub) + "/grub.cfg")
	}
	if name == "" {
		return Finding{EFIStub, "", path.Join(p.dir, image.Prefix), fmt.Sprintf("GRUB looks for %s/grub.cfg in the EFI system partition, which is not there", image.Prefix),
			"it stops with a prompt", p.check.efiInstall(p.dir)}
	}
	facts := p.check.opt.Facts
	if facts == nil || facts.Root.UUID == "" {
		return f
	}
	for line := range strings.Lines(p.text(name)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "search.fs_uuid" && !(words[0] == "search" && slices.Contains(words, "--fs-uuid")) {
			continue
		}
		i := slices.IndexFunc(words, isUUID)
		if i < 0 || strings.EqualFold(words[i], facts.Root.UUID) || slices.ContainsFunc(facts.Along, func(v edit.Volume) bool { return strings.EqualFold(words[i], v.UUID) }) {
			continue
		}
		f = Finding{EFIStub, "", path.Join(p.dir, name), fmt.Sprintf("%s looks for the file system %s", name, words[i]), "the new disk has none of that UUID: GRUB stops with a prompt", ""}
		if plain(f.Path) {
			f.Cure = fmt.Sprintf("sed -i 's|%s|%s|g' %s", words[i], facts.Root.UUID, strings.Replace(f.Path, espPath, "/boot/efi", 1))
		}
		return f
	}
	return f
}

// isUUID says whether a word is a UUID as ext4 has them.
func isUUID(w string) bool {
	_, err := hex.DecodeString(strings.ReplaceAll(w, "-", ""))
	return len(w) == 36 && err == nil
}

// wide returns text as EFI has it: UTF-16.
func wide(text string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

// efiInstall returns the command that installs GRUB into the EFI system partition.
func (c *check) efiInstall(esp string) string {
	if !plain(esp) {
		return ""
	}
	esp = strings.Replace(esp, espPath, "/boot/efi", 1)
	if c.files.Distro.family == "fedora" {
		a := string(c.files.Arch)
		return "dnf reinstall grub2-efi-" + a + " shim-" + a + " grub2-common"
	}
	target := map[Arch]string{X64: "x86_64-efi", AA64: "arm64-efi"}[c.files.Arch]
	name := "grub-install"
	if c.files.Distro.family == "suse" {
		name = "shim-install --removable"
		return name
	}
	return fmt.Sprintf("%s --target=%s --efi-directory=%s --no-nvram", name, target, esp)
}

// fallback returns the command that makes the loader which firmware falls back to.
func (c *check) fallback(esp string) string {
	esp = strings.Replace(esp, espPath, "/boot/efi", 1)
	a, boot := string(c.files.Arch), path.Join(esp, "EFI/BOOT")
	if !plain(esp) {
		return ""
	}
	if len(c.files.Loaders) == 0 {
		return c.efiInstall(esp) + " --removable"
	}
	l := c.files.Loaders[0]
	if !plain(l.Start, l.Path, l.MokManager) {
		return ""
	}
	if l.Kind == SystemdBoot {
		return "bootctl --no-variables install"
	}
	command := fmt.Sprintf("install -D %s %s/%s", l.Start, boot, c.files.Arch.Fallback())
	if l.Shim != "" {
		command += fmt.Sprintf(" && install %s %s/grub%s.efi", l.Path, boot, a)
		if l.MokManager != "" {
			command += fmt.Sprintf(" && install %s %s/mm%s.efi", l.MokManager, boot, a)
		}
	}
	return command
}
