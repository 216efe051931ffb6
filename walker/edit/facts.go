package edit

import (
	"path"
	"slices"
	"strings"
)

// Facts say what became of the file systems of a machine. All of its conversions follow
// from them.
type Facts struct {
	Source Volume   // the file system that root was on; a type other than "ext4" is converted
	Root   Volume   // the one that root is on now, an ext4
	Along  []Volume // others that the new machine has as well
	Merged []string // mount points, as the machine sees them, whose content is in root now
	Own    []string // mount points of other file systems that are made, which have what was merged below them
	Moved  []Moved  // directories of the old file system, as boot loaders name them
	Swap   []string // swap files that the new root has not
	New    []string // lines for an fstab that has none

	Without []string // names, of Names, of the edits that are not made
}

// Volume is a file system by all its names, "" for those that it has not.
type Volume struct {
	Type      string
	UUID      string
	Label     string
	PartUUID  string   // of its partition
	PartLabel string   // of its partition
	Devices   []string // names that it had on the old machine: "/dev/sda1", "/dev/mapper/vg-home"
	Ext4      bool     // of one that comes along: it is an ext4 now, whatever Type says that it was
}

// Moved is a directory with two names: a boot loader sees the whole of a btrfs, and names
// what is in subvolume "@" as "/@/boot".
type Moved struct {
	From string // "/@"
	To   string // its path in root; "" is root itself
}

// The names of the edits.
const (
	FstabType    = "fstab-type"
	FstabMerged  = "fstab-merged"
	FstabAbsent  = "fstab-absent"
	FstabNew     = "fstab-new"
	KernelType   = "kernel-type"
	KernelAbsent = "kernel-absent"
	UUID         = "uuid"
	GrubPaths    = "grub-paths"
	EFI          = "efi" // files that are added to an EFI system partition, which is the caller's to do
)

// Names lists the edits.
var Names = []string{FstabType, FstabMerged, FstabAbsent, FstabNew, KernelType, KernelAbsent, UUID, GrubPaths, EFI}

// Change says what one edit did to a text.
type Change struct {
	Name string // of Names
	What string // "root= is UUID=… instead of /dev/sda1"
}

// File is a file that is to be edited.
type File struct {
	Path string // pattern of path.Match
	Keep string // name beside it under which the old text stays; "": none
	Edit func(text []byte) ([]byte, []Change, error)
	Make bool // a file that is missing is made, of what Edit returns for no text
}

// Files lists what is to be edited: no path matches two of its patterns.
func (f *Facts) Files() []File {
	list := []File{
		{Path: "/etc/fstab", Keep: "fstab.purebundle-old", Edit: f.Fstab, Make: len(f.New) > 0 && f.Makes(FstabNew)},
		{Path: "/etc/crypttab", Edit: f.Crypttab},
		{Path: "/etc/kernel/cmdline", Edit: f.CommandLine},
		{Path: "/etc/default/grub", Edit: f.GrubDefaults},
		{Path: "/etc/default/grub.d/*.cfg", Edit: f.GrubDefaults},
	}
	for _, dir := range []string{"/boot/grub", "/boot/grub2", "/boot/efi/EFI/*", "/efi/EFI/*"} {
		list = append(list, File{Path: dir + "/grub.cfg", Edit: f.Grub}, File{Path: dir + "/grubenv", Edit: f.GrubEnvironment})
	}
	for _, dir := range []string{"/boot", "/boot/efi", "/efi"} {
		list = append(list, File{Path: dir + "/loader/entries/*.conf", Edit: f.Entry})
	}
	return list
}

// Edit edits the text of the file at a path, if that is one of Files.
func (f *Facts) Edit(name string, text []byte) ([]byte, []Change, error) {
	for _, file := range f.Files() {
		if ok, err := path.Match(file.Path, name); ok && err == nil {
			return file.Edit(text)
		}
	}
	return text, nil, nil
}

// Makes says whether an edit is to be made.
func (f *Facts) Makes(name string) bool { return !slices.Contains(f.Without, name) }

// converts says whether root was of another type than it is now.
func (f *Facts) converts() bool { return f.Source.isOther() }

// isOther says whether a file system was of another type than ext4.
func (v *Volume) isOther() bool { return v.Type != "" && v.Type != "ext4" }

// into returns the mount point of the file system that has what was merged at another.
func (f *Facts) into(where string) string {
	into := "/"
	for _, at := range f.Own {
		if strings.HasPrefix(where, at+"/") && len(at) > len(into) {
			into = at
		}
	}
	return into
}

// comesAlong says whether a name is that of a file system that the new machine has.
func (f *Facts) comesAlong(spec string) bool {
	return f.Root.had(spec) || slices.ContainsFunc(f.Along, func(v Volume) bool { return v.had(spec) })
}

// renamed returns the name by which root is found now if spec, as fstab and root= have
// it, does not find it.
func (f *Facts) renamed(spec string) (now string, ok bool) {
	if f.Root.UUID == "" || f.Root.Finds(spec) {
		return "", false
	}
	return "UUID=" + f.Root.UUID, true
}

// Finds says whether the volume is found by a name on any machine.
func (v *Volume) Finds(spec string) bool {
	kind, value := tag(spec)
	switch kind {
	case "UUID":
		return v.UUID != "" && strings.EqualFold(value, v.UUID)
	case "LABEL":
		return v.Label != "" && value == v.Label
	case "PARTUUID":
		return v.PartUUID != "" && strings.EqualFold(value, v.PartUUID)
	case "PARTLABEL":
		return v.PartLabel != "" && value == v.PartLabel
	}
	return false
}

// had says whether the volume was found by a name on the old machine.
func (v *Volume) had(spec string) bool { return v.Finds(spec) || slices.Contains(v.Devices, spec) }

// tag splits a name such as UUID=… or /dev/disk/by-uuid/…; kind is "" if it is none.
func tag(spec string) (kind, value string) {
	for _, kind := range []string{"UUID", "LABEL", "PARTUUID", "PARTLABEL"} {
		for _, prefix := range []string{kind + "=", "/dev/disk/by-" + strings.ToLower(kind) + "/"} {
			if value, ok := strings.CutPrefix(spec, prefix); ok {
				return kind, strings.Trim(value, `"`)
			}
		}
	}
	return "", ""
}

// isDevice says whether a name is one of a disk or a part of one.
func isDevice(spec string) bool {
	kind, _ := tag(spec)
	return kind != "" || strings.HasPrefix(spec, "/dev/") || strings.HasPrefix(spec, "ID=")
}

// changes collects what was done to a text, each sentence once.
type changes []Change

func (c *changes) add(name, what string) {
	if len(*c) == maxChanges {
		name, what = (*c)[0].Name, "and more"
	}
	if change := (Change{name, what}); !slices.Contains(*c, change) && len(*c) <= maxChanges {
		*c = append(*c, change)
	}
}

// maxChanges bounds the sentences about one text, of which there are few unless it is not
// what it should be.
const maxChanges = 100

// short cuts what a sentence cites.
func short(text string) string {
	const most = 100 // bytes
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
