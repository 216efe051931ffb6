package create

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/create/esp"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
	"purebundle/walker/edit"
	"purebundle/walker/fat"
)

// maxKernelFile bounds a kernel or an initrd in an EFI system partition, in bytes.
const maxKernelFile = 512 << 20

// takesSystemdBoot says whether a tree starts by systemd-boot, as it has no GRUB that finds
// its configuration.
func takesSystemdBoot(files *bootcheck.Files) bool {
	found := false
	for _, l := range files.Loaders {
		if l.Kind == bootcheck.GRUB && strings.HasPrefix(l.Prefix, "/EFI/") {
			return false
		}
		found = found || l.Kind == bootcheck.SystemdBoot
	}
	return found
}

// addKernels puts kernels and their initrds into a new partition, because systemd-boot
// reads no ext4: the newest ones, as many as there is room for, one at least. The files
// stay open until the disk is closed.
func (d *Disk) addKernels(v *fat.Volume, view *walker.View, files *bootcheck.Files, root [16]byte) error {
	text := "timeout 1\n"
	if err := d.addText(v, "loader/loader.conf", text); err != nil {
		return err
	}
	room := v.Size() - maxProgramRoom
	for i, k := range files.Kernels {
		if k.Initrd == "" || k.Modules == "" {
			continue
		}
		dir := path.Join(fatName(files.Distro.ID, "linux"), fatName(k.Version, fmt.Sprint("kernel-", i)))
		pair, err := openPair(view, dir, k)
		d.esp.open = append(d.esp.open, pair...)
		if err != nil {
			return err
		}
		size := pair[0].Size + pair[1].Size
		if size > room {
			if len(d.esp.open) == len(pair) {
				return fmt.Errorf("EFI system partition: kernel and initrd of %s have %d bytes, and there is room for %d", k.Version, size, room)
			}
			break
		}
		room -= size
		for _, f := range pair {
			if err := v.WriteFrom(f.Path, f.Content, f.Size, d.esp.now); err != nil {
				return err
			}
			d.esp.made = append(d.esp.made, addedEdit(f))
		}
		text := fmt.Sprintf("title Linux %s\nversion %s\nlinux /%s\ninitrd /%s\noptions root=UUID=%s ro console=tty0 console=ttyS0,115200n8\n",
			k.Version, k.Version, pair[0].Path, pair[1].Path, uuid.UUID(root))
		if err := d.addText(v, "loader/entries/"+strings.ReplaceAll(dir, "/", "-")+".conf", text); err != nil {
			return err
		}
	}
	return nil
}

// maxProgramRoom is what is left for boot loaders and their tables, in bytes.
const maxProgramRoom = 8 << 20

// addText adds a text to a new partition.
func (d *Disk) addText(v *fat.Volume, name, text string) error {
	d.esp.made = append(d.esp.made, chunk.Edit{Path: chunk.Path(espPath + name), Name: edit.EFI, What: "added, as it is missing"})
	return v.WriteFile(name, []byte(text), d.esp.now)
}

// openPair opens a kernel and its initrd, to be put into a directory.
func openPair(view *walker.View, dir string, k bootcheck.Kernel) (pair []esp.File, err error) {
	for _, f := range []struct{ name, from string }{{"linux", k.Path}, {"initrd", k.Initrd}} {
		file, err := view.Open(f.from)
		if err != nil {
			return pair, err
		}
		size, err := file.Seek(0, io.SeekEnd)
		pair = append(pair, esp.File{Path: path.Join(dir, f.name), From: f.from, Content: file, Size: size})
		if err == nil && size > maxKernelFile {
			err = fmt.Errorf("%s: %d bytes, more than %d", f.from, size, int64(maxKernelFile))
		}
		if err != nil {
			return pair, err
		}
	}
	return pair, nil
}

// fatName returns a name if it is one that is written to a FAT, else another one.
func fatName(name, other string) string {
	const known = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-"
	if name == "" || len(name) > 100 || strings.Trim(name, ".") != name || strings.Trim(name, known) != "" {
		return other
	}
	return name
}
