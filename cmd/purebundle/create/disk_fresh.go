package create

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create/esp"
	"purebundle/ext2img/disk"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
	"purebundle/walker/edit"
	"purebundle/walker/fat"
	"purebundle/walker/survey"
	"purebundle/walker/volume"
)

// fresh is a disk that is made for a tree that is on none: GPT, an EFI system partition,
// root.
type fresh struct {
	root, esp edit.Volume
	was       string   // the UUID by which the tree's files name root
	grub      string   // the directory of root that has a grub.cfg of use; "": none has
	fstab     []string // lines for a tree that has none
}

// The layout of a fresh disk, as cloud images have it.
const (
	freshESP     = 15        // number of the partition
	freshESPAt   = 1 << 20   // bytes
	freshESPSize = 127 << 20 // bytes: kernels of systemd-boot, and updates of loaders, have room
	freshRoot    = 1         // number of the partition
	maxESPFiles  = 64 << 20  // bytes that are copied from the tree's own
)

// freshRoots are the types of root partitions (Discoverable Partitions Specification).
var freshRoots = map[bootcheck.Arch]string{
	bootcheck.X64:  "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
	bootcheck.AA64: "b921b045-1df0-41c3-af44-4c6f280d3fae",
}

// openFresh makes a disk for a tree.
func openFresh(opt *Options) (_ *Disk, err error) {
	fail := func(err error) (*Disk, error) {
		return nil, cli.WithHint(fmt.Errorf("bundle %s --disk: %w", opt.Source, err), "without --disk the file system alone is bundled")
	}
	tree, err := lookAt(opt.Source)
	if err != nil {
		return fail(err)
	}
	defer tree.Close()
	view := tree.View()
	files := bootcheck.Find(view)
	if lacks := files.Lacks(); len(lacks) > 0 {
		var list []string
		for _, l := range lacks {
			list = append(list, l.String())
		}
		return fail(fmt.Errorf("a new disk starts by UEFI, for which the tree lacks %s", strings.Join(list, ", ")))
	}
	d := &Disk{fresh: new(fresh), esp: newESP()}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	fstab, err := view.ReadFile("/etc/fstab", maxEdited)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail(err)
	}
	// A grub.cfg that was made for a /boot partition has its paths.
	merged := slices.ContainsFunc(tree.Mounts, func(m walker.Mount) bool { return m.Path == "/boot" && m.Action == walker.Crossed })
	if !merged {
		d.fresh.grub = grubDir(view)
	}
	d.fresh.name(opt, view, fstab)
	d.apart = apartESPs(tree.Mounts)
	v, err := d.freshESP(opt, view, files, merged)
	if err != nil {
		return fail(err)
	}
	d.esp.under, d.esp.size = v, v.Size()
	d.old = d.fresh.survey(files.Arch)
	d.table = d.freshTable()
	if d.layout, err = disk.Place(d.table, chunk.Size); err != nil {
		return fail(err)
	}
	return d, nil
}

// own returns a UUID of the disk, always the same one for a root.
func own(root [16]byte, what string) string {
	return uuid.NewSHA1(root, []byte("purebundle "+what)).String()
}

// name gives root and the EFI system partition the names that fstab or grub.cfg have for
// them, if nothing else was asked for.
func (f *fresh) name(opt *Options, v *walker.View, fstab []byte) {
	p := &opt.Image
	kind, value := edit.Tag(edit.Device(fstab, "/"))
	switch id, err := uuid.Parse(value); {
	case kind == "UUID" && err == nil:
		f.was = id.String()
	case kind == "LABEL" && !opt.Given.Label && p.Label == "" && len(value) <= cli.MaxLabel:
		p.Label = value
	}
	if f.was == "" && f.grub != "" {
		text, _ := v.ReadFile(path.Join(f.grub, "grub.cfg"), maxEdited) // without it none is known
		f.was = grubRoot(text)
	}
	if id, err := uuid.Parse(f.was); err == nil && !opt.Given.UUID && opt.Names == nil {
		p.UUID, opt.Notes.UUID = id, ""
	}
	f.root = edit.Volume{Type: "ext4", PartUUID: own(p.UUID, "root"), PartLabel: "root"}

	id := uuid.MustParse(own(p.UUID, "serial"))
	serial := binary.BigEndian.Uint32(id[:])
	f.esp = edit.Volume{Type: "vfat", Label: "ESP", PartUUID: own(p.UUID, "ESP"), PartLabel: "ESP"}
	for _, where := range []string{"/boot/efi", "/efi"} {
		switch kind, value := edit.Tag(edit.Device(fstab, where)); {
		case kind == "UUID" && isSerial(value):
			n, _ := strconv.ParseUint(strings.Replace(value, "-", "", 1), 16, 32)
			serial = uint32(n)
		case kind == "LABEL" && len(value) <= 11:
			f.esp.Label = value
		}
	}
	f.esp.UUID = fmt.Sprintf("%04X-%04X", serial>>16, serial&0xffff)
	f.fstab = []string{
		"UUID=" + uuid.UUID(p.UUID).String() + " / ext4 errors=remount-ro 0 1",
		"UUID=" + f.esp.UUID + " /boot/efi vfat umask=0077,nofail 0 1",
	}
}

// isSerial says whether a text is the serial number of a FAT as fstab has it.
func isSerial(text string) bool {
	return regexp.MustCompile(`^[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}$`).MatchString(text)
}

// grubRoot returns the UUID that a grub.cfg gives the kernel for root, "" if it has none.
func grubRoot(text []byte) string {
	m := regexp.MustCompile(`(?m)^[ \t]*linux[^\n]*[ \t]root=UUID=([0-9A-Fa-f-]{36})\b`).FindSubmatch(text)
	if m == nil {
		return ""
	}
	return strings.ToLower(string(m[1]))
}

// apartESPs returns where EFI system partitions are mounted in a tree: what they hold is in
// the new one.
func apartESPs(mounts []walker.Mount) (list []string) {
	for _, m := range mounts[1:] {
		if (m.Path == "/boot/efi" || m.Path == "/efi") && m.FSType == "vfat" && m.Action == walker.Crossed {
			list = append(list, m.Path)
		}
	}
	return list
}

// survey returns what the disk is to be, as if it had been there before.
func (f *fresh) survey(arch bootcheck.Arch) *survey.Disk {
	return &survey.Disk{Table: disk.GPT, GUID: own(uuid.MustParse(f.root.PartUUID), "disk"), Root: 0, ESP: 1, BIOS: -1, Boot: -1, Partitions: []survey.Partition{
		{Number: freshRoot, Type: freshRoots[arch], UUID: f.root.PartUUID, Name: f.root.PartLabel, MountPoint: "/"},
		{Number: freshESP, Type: survey.TypeESP, UUID: f.esp.PartUUID, Name: f.esp.PartLabel, Start: freshESPAt, Size: freshESPSize, MountPoint: "/boot/efi",
			FileSystem: &volume.FileSystem{Type: "vfat", UUID: f.esp.UUID, Label: f.esp.Label, FAT: 32}},
	}}
}

// freshTable returns the table of the disk.
func (d *Disk) freshTable() *disk.Table {
	t := &disk.Table{Kind: disk.GPT, ID: d.old.GUID}
	for i, p := range d.old.Partitions {
		q := disk.Partition{Number: p.Number, Type: p.Type, UUID: p.UUID, Name: p.Name, Start: p.Start, Size: p.Size, Root: i == d.old.Root}
		if !q.Root {
			q.Content, q.Used = &d.esp, d.esp.used
		}
		t.Partitions = append(t.Partitions, q)
	}
	return t
}

// freshESP makes the EFI system partition: of the tree's own, if it has one, and of the
// loaders that packages brought.
func (d *Disk) freshESP(opt *Options, view *walker.View, files *bootcheck.Files, merged bool) (*fat.Volume, error) {
	serial, err := strconv.ParseUint(strings.Replace(d.fresh.esp.UUID, "-", "", 1), 16, 32)
	if err != nil {
		return nil, err
	}
	now := nowOf(opt)
	d.esp.now = now
	v, err := fat.Format(freshESPSize, uint32(serial), d.fresh.esp.Label, now)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"/boot/efi", "/efi"} {
		if view.IsDir(dir + "/EFI") {
			room := int64(maxESPFiles)
			if err := copyESP(v, view, dir, "", &room, &d.esp); err != nil {
				return nil, err
			}
			break
		}
	}
	if slices.Contains(opt.Edits.Without, edit.EFI) {
		return v, nil
	}
	if takesSystemdBoot(files) {
		if err := d.addKernels(v, view, files, opt.Image.UUID); err != nil {
			return nil, err
		}
	}
	add, err := esp.Missing(v, esp.Machine{View: view, Files: files, Config: d.freshConfig(opt, files, merged)})
	d.esp.open = append(d.esp.open, add...)
	if errors.Is(err, esp.ErrNothing) {
		return nil, errors.New("the tree has no GRUB that names the directory of its grub.cfg (EFI/…), as signed ones do, and no systemd-boot")
	}
	if err != nil {
		return nil, err
	}
	for _, f := range add {
		if err := v.WriteFrom(f.Path, f.Content, f.Size, now); err != nil {
			return nil, err
		}
		d.esp.made = append(d.esp.made, addedEdit(f))
	}
	return v, nil
}

// copyESP copies the files below a directory of the tree into a new partition, as long as
// there is room in bytes.
func copyESP(v *fat.Volume, view *walker.View, from, to string, room *int64, e *fatCopy) error {
	names, err := view.Names(path.Join(from, to))
	if err != nil {
		return err
	}
	for _, name := range names {
		at := path.Join(to, name)
		switch view.Kind(path.Join(from, at)) {
		case unix.S_IFDIR:
			if strings.Count(at, "/") > 16 {
				return fmt.Errorf("%s: more than 16 directories deep", path.Join(from, at))
			}
			if err := copyESP(v, view, from, at, room, e); err != nil {
				return err
			}
		case unix.S_IFREG:
			content, err := view.ReadFile(path.Join(from, at), *room)
			if err != nil {
				return fmt.Errorf("EFI system partition: %w", err)
			}
			*room -= int64(len(content)) + 4096
			if err := v.WriteFile(at, content, e.now); err != nil {
				return fmt.Errorf("EFI system partition: %w", err)
			}
		}
	}
	return nil
}

// freshConfig returns the grub.cfg of the new partition: it leads to that of root, if that
// is of use, and else has entries of its own. A tree without one may get one later.
func (d *Disk) freshConfig(opt *Options, files *bootcheck.Files, merged bool) []byte {
	id := uuid.UUID(opt.Image.UUID).String()
	var b strings.Builder
	fmt.Fprintf(&b, "search.fs_uuid %s root\n", id)
	if !merged {
		dir := d.fresh.grub
		if dir == "" {
			dir = "/boot/grub"
		}
		fmt.Fprintf(&b, "set prefix=($root)%s\nif [ -f $prefix/grub.cfg ]; then\n  configfile $prefix/grub.cfg\nfi\n", dir)
	}
	b.WriteString("set timeout=1\n")
	for _, k := range files.Kernels {
		if k.Initrd == "" || k.Modules == "" {
			continue
		}
		fmt.Fprintf(&b, "menuentry 'Linux %s' {\n  linux ($root)%s root=UUID=%s ro console=tty0 console=ttyS0,115200n8\n  initrd ($root)%s\n}\n",
			plainWord(k.Version), grubPath(k.Path), id, grubPath(k.Initrd))
	}
	return []byte(b.String())
}

// plainWord returns a word without what ends a quoted one.
func plainWord(s string) string {
	return strings.Map(func(c rune) rune {
		if c < 0x20 || c > 0x7e || c == '\'' {
			return '_'
		}
		return c
	}, s)
}

// grubPath quotes a path for GRUB.
func grubPath(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-") == "" {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
