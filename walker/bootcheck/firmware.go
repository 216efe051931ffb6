package bootcheck

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"

	"purebundle/walker/grubimage"
	"purebundle/walker/survey"
)

// firmware judges the boot loaders, for each kind of firmware. What is wrong with one of
// them is fatal only if no other starts the machine.
func (c *check) firmware() {
	if c.disk() == nil {
		c.fresh()
		return
	}
	var wrong []Finding
	if c.files.Arch == X64 {
		if loader, f := c.bios(); loader != "" {
			c.Starts = append(c.Starts, Start{"bios", loader})
		} else if f.ID != "" {
			wrong = append(wrong, f)
		}
	}
	unseen := false
	if c.files.Arch != "" && c.disk().ESP >= 0 {
		if loader, f := c.efi(); loader != "" {
			c.Starts = append(c.Starts, Start{"uefi", loader})
		} else if f.ID != "" {
			wrong = append(wrong, f)
			unseen = f.ID == EFIUnseen
		}
	}
	for _, f := range wrong {
		if f.ID != EFIUnseen {
			f.Severity = Fatal
			if len(c.Starts) > 0 || unseen {
				f.Severity = Warning
			}
		}
		c.find(f)
	}
	if len(c.Starts) == 0 && len(wrong) == 0 {
		c.find(Finding{NoLoader, Fatal, "", "the disk has no boot loader that is known: no GRUB for a BIOS, no EFI system partition",
			"firmware finds nothing to start", c.grubInstall()})
	}
	c.grubConfig()
}

// fresh judges a tree whose disk is made anew: it starts by EFI.
func (c *check) fresh() {
	c.lacks(NoLoader, NoKernel) // an initrd is looked for with its kernel
	if len(c.files.Loaders) > 0 {
		c.Starts = append(c.Starts, Start{"uefi", c.files.Loaders[0].name()})
	}
}

// name says what the loader is, for people.
func (l *Loader) name() string {
	if l.Shim != "" {
		return "shim and " + l.Kind
	}
	return l.Kind
}

// grubInstall returns the command that installs GRUB for a BIOS.
func (c *check) grubInstall() string { return c.grubInstallOn(c.disk().Path) }

func (c *check) grubInstallOn(disk string) string {
	name := "grub-install"
	if c.files.Distro.family == "fedora" || c.files.Distro.family == "suse" {
		name = "grub2-install"
	}
	return name + " --target=i386-pc " + disk
}

// Fields of GRUB's boot.img: where core.img begins on the disk, in sectors, 8 bytes.
const bootKernelSector = 0x5c // GRUB_BOOT_MACHINE_KERNEL_SECTOR

// maxCore bounds core.img, in bytes.
const maxCore = 1 << 20

// bios judges what a BIOS starts: it returns the name of the loader, or what is wrong with
// it, or nothing where there is none.
func (c *check) bios() (loader string, f Finding) {
	d := c.disk()
	code := d.BootCode[:]
	if bytes.Count(code, []byte{0}) == len(code) || c.opt.Device == nil {
		return "", f
	}
	if !bytes.Contains(code, []byte("GRUB ")) {
		if d.Table == "gpt" { // what protects it may have code that only says so
			return "", f
		}
		return "", Finding{BIOSLoader, "", "", "the boot code of " + d.Path + " is not GRUB's",
			"another boot loader finds its files by their blocks, which are others in the image", c.grubInstall()}
	}
	image, err := c.core()
	if err != nil {
		return "", Finding{BIOSLoader, "", "", fmt.Sprintf("GRUB's boot code on %s leads to no core.img that can be read: %s", d.Path, cite(err.Error())),
			"a BIOS starts nothing", c.grubInstall()}
	}
	if !image.Has("ext2") {
		has := slices.DeleteFunc(slices.Clone(image.Modules), func(m string) bool { return m != "xfs" && m != "btrfs" && m != "f2fs" && m != "zfs" })
		return "", Finding{BIOSFileSystem, "", "", fmt.Sprintf("GRUB's core.img on %s has no driver for ext4 (it has %s)", d.Path, cmpOr(strings.Join(has, ", "), "none")),
			"a BIOS cannot start the image, whose /boot is an ext4", "start the new machine by UEFI, or chroot into its disk from a rescue system, and run there (DISK is its disk): " + c.grubInstallOn("DISK")}
	}
	return GRUB, f
}

// cmpOr is cmp.Or for what is said of a list.
func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// core reads the core.img that the boot code leads to: it must lie where the image will
// have it, in the gap behind an MBR or in a BIOS boot partition.
func (c *check) core() (*grubimage.Image, error) {
	d := c.disk()
	sector := binary.LittleEndian.Uint64(d.BootCode[bootKernelSector:])
	if sector == 0 || sector > uint64(d.Size/d.SectorSize) {
		return nil, fmt.Errorf("sector %d is not on the disk", sector)
	}
	at := int64(sector) * d.SectorSize
	room := d.Gap
	if d.BIOS >= 0 {
		p := d.Partitions[d.BIOS]
		room = survey.Range{Offset: p.Start, Size: p.Size}
	}
	if at < room.Offset || at >= room.Offset+room.Size {
		return nil, fmt.Errorf("sector %d lies outside the gap or the BIOS boot partition", sector)
	}
	b := make([]byte, min(maxCore, room.Offset+room.Size-at))
	n, err := c.opt.Device.ReadAt(b, at)
	if n == 0 && err != nil {
		return nil, err
	}
	return grubimage.Core(b[:n])
}

// grubConfig finds that GRUB starts, and has nothing to do.
func (c *check) grubConfig() {
	grub := slices.ContainsFunc(c.Starts, func(s Start) bool { return strings.HasSuffix(s.Loader, GRUB) })
	if c.disk().Path == "" { // a new one, whose GRUB has entries of its own
		return
	}
	if !grub || len(c.entries) > 0 || slices.ContainsFunc(grubConfigs, c.IsFile) {
		return
	}
	c.find(Finding{GrubConfig, Fatal, path.Dir(grubConfigs[0]), "GRUB has no configuration: there is no grub.cfg in /boot/grub or /boot/grub2",
		"it stops with a prompt", c.files.Distro.mkconfig(c.View)})
}
