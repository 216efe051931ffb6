package bootcheck

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path"
	"strings"
	"unicode/utf16"

	"purebundle/walker/grubimage"
)

// efi judges what EFI firmware starts on a new machine, whose memory names no loader: it
// returns the name of the loader, or what is wrong with it.
func (c *check) efi() (loader string, f Finding) {
	p := c.disk().Partitions[c.disk().ESP]
	esp := p.MountPoint
	if esp == "" {
		return "", Finding{EFIUnseen, Note, "", "the EFI system partition " + p.Device + " is not mounted", "whether firmware finds a boot loader in it is not known", "mount " + p.Device + " /boot/efi"}
	}
	dir := c.nameLike(c.nameLike(esp, "EFI"), "BOOT")
	start := c.nameLike(dir, c.files.Arch.Fallback())
	if start == "" {
		if c.opt.Completed && len(c.files.Loaders) > 0 {
			return c.files.Loaders[0].name(), f
		}
		return "", Finding{EFIFallback, "", esp, "the EFI system partition has no EFI/BOOT/" + c.files.Arch.Fallback(),
			"a new machine remembers no other boot loader, and starts none", c.fallback(esp)}
	}
	b, err := c.ReadFile(start, maxProgram)
	if err != nil || !grubimage.IsPE(b) {
		return "", Finding{EFIFallback, "", start, start + " is no program for EFI", "firmware does not start it", c.fallback(esp)}
	}
	if bytes.Contains(b, []byte("#### LoaderInfo: systemd-boot")) {
		return SystemdBoot, f
	}
	name, shim := GRUB, ""
	image, err := grubimage.EFI(b)
	if err != nil && bytes.Contains(b, wide("grub"+string(c.files.Arch)+".efi")) {
		name, shim = "shim and GRUB", start
		second := c.nameLike(dir, "grub"+string(c.files.Arch)+".efi")
		if second == "" {
			second = c.vendorGrub(esp, dir)
		}
		if second == "" {
			return "", Finding{EFIShim, "", start, "beside the shim " + start + " is no grub" + string(c.files.Arch) + ".efi, and no fb" + string(c.files.Arch) + ".efi that leads to one",
				"the shim starts it and nothing else", c.fallback(esp)}
		}
		start = second
		if b, err = c.ReadFile(start, maxProgram); err == nil {
			image, err = grubimage.EFI(b)
		}
	}
	if err != nil { // another program: a kernel with its initrd, rEFInd
		if shim != "" {
			return "", Finding{EFIShim, "", start, start + " is no GRUB", "the shim does not start it", c.fallback(esp)}
		}
		return path.Base(start), f
	}
	if !image.Has("ext2") && !c.IsDir(path.Join(esp, "grub")) {
		return "", Finding{EFIFileSystem, "", start, start + " has no driver for ext4", "it cannot read /boot, which is an ext4 in the image", c.fallback(esp)}
	}
	if f := c.stub(esp, start, image); f.ID != "" {
		return "", f
	}
	return name, f
}

// vendorGrub returns the GRUB that the program fbx64.efi beside a shim leads to: it reads
// BOOTX64.CSV in the directories of vendors.
func (c *check) vendorGrub(esp, boot string) string {
	a := string(c.files.Arch)
	if c.nameLike(boot, "fb"+a+".efi") == "" {
		return ""
	}
	efi := c.nameLike(esp, "EFI")
	names, _ := c.Names(efi)
	for _, name := range names[:min(len(names), maxVendors)] {
		dir := path.Join(efi, name)
		if strings.EqualFold(name, "BOOT") || c.nameLike(dir, "BOOT"+a+".CSV") == "" {
			continue
		}
		if grub := c.nameLike(dir, "grub"+a+".efi"); grub != "" {
			return grub
		}
	}
	return ""
}

// stub judges the grub.cfg in the EFI system partition, which leads to that of /boot.
func (c *check) stub(esp, grub string, image *grubimage.Image) (f Finding) {
	if !strings.HasPrefix(image.Prefix, "/EFI/") {
		return f
	}
	dirs := []string{image.Prefix[1:], strings.TrimPrefix(path.Dir(grub), esp+"/")}
	text, name := "", ""
	for _, d := range dirs {
		at := esp
		for part := range strings.SplitSeq(d+"/grub.cfg", "/") {
			at = c.nameLike(at, part)
		}
		if at != "" && c.IsFile(at) {
			text, name = c.text(at), at
			break
		}
	}
	if name == "" {
		return Finding{EFIStub, "", path.Join(esp, image.Prefix), fmt.Sprintf("GRUB looks for %s/grub.cfg in the EFI system partition, which is not there", image.Prefix),
			"it stops with a prompt", c.efiInstall(esp)}
	}
	facts := c.opt.Facts
	if facts == nil || facts.Root.UUID == "" {
		return f
	}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "search.fs_uuid" && !(words[0] == "search" && strings.Contains(line, "--fs-uuid")) {
			continue
		}
		found := false
		asked := ""
		for _, w := range words[1:] {
			if isUUID(w) {
				asked = w
				found = strings.EqualFold(w, facts.Root.UUID)
				for _, v := range facts.Along {
					found = found || strings.EqualFold(w, v.UUID)
				}
			}
		}
		if asked != "" && !found {
			return Finding{EFIStub, "", name, fmt.Sprintf("%s looks for the file system %s", name, cite(asked)),
				"the new disk has none of that UUID: GRUB stops with a prompt", fmt.Sprintf("sed -i 's|%s|%s|g' %s", asked, facts.Root.UUID, name)}
		}
	}
	return f
}

// isUUID says whether a word is a UUID as ext4 has them.
func isUUID(w string) bool {
	_, err := hex.DecodeString(strings.ReplaceAll(w, "-", ""))
	return len(w) == 36 && err == nil
}

// nameLike returns the path of the name in a directory that is equal but for its case, as
// FAT has it; "" if there is none, or no directory.
func (c *check) nameLike(dir, name string) string {
	if dir == "" {
		return ""
	}
	names, _ := c.Names(dir)
	for _, n := range names {
		if strings.EqualFold(n, name) {
			return path.Join(dir, n)
		}
	}
	return ""
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
	a, boot := string(c.files.Arch), path.Join(esp, "EFI/BOOT")
	if len(c.files.Loaders) == 0 {
		return c.efiInstall(esp) + " --removable"
	}
	l := c.files.Loaders[0]
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
