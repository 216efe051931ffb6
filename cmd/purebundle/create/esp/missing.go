package esp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf16"

	"purebundle/walker"
	"purebundle/walker/bootcheck"
	"purebundle/walker/fat"
)

// File is a file that an EFI system partition lacks.
type File struct {
	Path    string // in it: "EFI/BOOT/BOOTX64.EFI"
	From    string // what its content is: "EFI/debian/shimx64.efi", or a path of the tree; "": made for it
	Content io.ReaderAt
	Size    int64 // bytes
}

// made returns a file with a content that is made for it.
func made(name string, content []byte) File {
	return File{Path: name, Content: bytes.NewReader(content), Size: int64(len(content))}
}

// Close closes files.
func Close(files []File) {
	for _, f := range files {
		if c, ok := f.Content.(io.Closer); ok {
			_ = c.Close() // only read from
		}
	}
}

// Machine is what a partition is completed from, besides itself.
type Machine struct {
	View   *walker.View
	Files  *bootcheck.Files
	Config []byte // grub.cfg for a GRUB of the tree that finds none; nil: it is not taken then
}

// ErrNothing says that there is nothing that firmware would start.
var ErrNothing = errors.New("neither the EFI system partition nor the tree has a boot loader for it")

// maxProgram bounds a program, in bytes.
const maxProgram = 32 << 20

const bootDir = "EFI/BOOT"

// Missing returns what v lacks to start a machine that remembers nothing, sorted by path.
// Close the files after use, whether there is an error or not.
func Missing(v *fat.Volume, m Machine) ([]File, error) {
	c := completion{volume: v, machine: m, arch: string(m.Files.Arch)}
	if c.arch == "" {
		return nil, ErrNothing
	}
	var err error
	if c.has(bootDir, m.Files.Arch.Fallback()) {
		err = c.beside()
	} else {
		err = c.fallback()
	}
	if err == nil {
		err = c.table()
	}
	slices.SortFunc(c.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return c.files, err
}

// completion is one run of Missing.
type completion struct {
	volume  *fat.Volume
	machine Machine
	arch    string // "x64"
	files   []File
}

// has says whether the partition has, or gets, a file in a directory.
func (c *completion) has(dir, name string) bool {
	at := path.Join(dir, name)
	if slices.ContainsFunc(c.files, func(f File) bool { return strings.EqualFold(f.Path, at) }) {
		return true
	}
	return isFile(c.volume, at)
}

// isFile says whether a partition has a file.
func isFile(v *fat.Volume, name string) bool {
	list, err := v.ReadDir(path.Dir(name))
	return err == nil && slices.ContainsFunc(list, func(e fat.Entry) bool { return !e.Dir && strings.EqualFold(e.Name, path.Base(name)) })
}

// copyOwn adds a copy of a file that the partition has elsewhere.
func (c *completion) copyOwn(to, from string) error {
	content, err := c.volume.ReadFile(from, maxProgram)
	if err == nil {
		c.files = append(c.files, File{to, from, bytes.NewReader(content), int64(len(content))})
	}
	return err
}

// copyTree adds a copy of a file of the tree, which stays open: a tree changes under a
// running system, but packages replace files and write into none.
func (c *completion) copyTree(to, from string) error {
	f, err := c.machine.View.Open(from)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() > maxProgram {
		err = &fs.PathError{Op: "read", Path: from, Err: fmt.Errorf("it has %d bytes, more than %d", info.Size(), int64(maxProgram))}
	}
	if err != nil {
		f.Close()
		return err
	}
	c.files = append(c.files, File{to, from, f, info.Size()})
	return nil
}

// vendors returns the directories of loaders in the partition, that of the tree's
// distribution first.
func (c *completion) vendors() (dirs []string) {
	list, err := c.volume.ReadDir("EFI")
	if err != nil {
		return nil
	}
	for _, e := range list {
		if e.Dir && !strings.EqualFold(e.Name, "BOOT") {
			dirs = append(dirs, "EFI/"+e.Name)
		}
	}
	own := "EFI/" + c.machine.Files.Distro.ID
	slices.SortFunc(dirs, func(a, b string) int {
		if x, y := strings.EqualFold(a, own), strings.EqualFold(b, own); x != y {
			if x {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return dirs
}

// The names of programs.
func (c *completion) shim() string { return "shim" + c.arch + ".efi" }
func (c *completion) grub() string { return "grub" + c.arch + ".efi" }
func (c *completion) mok() string  { return "mm" + c.arch + ".efi" }
func (c *completion) fb() string   { return "fb" + c.arch + ".efi" }
func (c *completion) csv() string  { return "BOOT" + strings.ToUpper(c.arch) + ".CSV" }

// fallback adds what firmware starts, from the partition itself if it has it.
func (c *completion) fallback() error {
	to := path.Join(bootDir, c.machine.Files.Arch.Fallback())
	for _, dir := range c.vendors() {
		switch {
		case !c.has(dir, c.grub()):
		case c.has(dir, c.shim()):
			if err := c.copyOwn(to, path.Join(dir, c.shim())); err != nil {
				return err
			}
			return c.grubFrom(dir)
		default:
			return c.copyOwn(to, path.Join(dir, c.grub()))
		}
	}
	if name := "systemd-boot" + c.arch + ".efi"; c.has("EFI/systemd", name) {
		return c.copyOwn(to, "EFI/systemd/"+name)
	}
	for _, l := range c.machine.Files.Loaders {
		switch {
		case l.Kind == bootcheck.SystemdBoot && c.hasEntries():
			return c.copyTree(to, l.Path)
		case l.Kind == bootcheck.GRUB && c.configured(l):
			if err := c.copyTree(to, l.Start); err != nil {
				return err
			}
			return c.grubOf(l)
		}
	}
	return ErrNothing
}

// hasEntries says whether systemd-boot finds something to start.
func (c *completion) hasEntries() bool {
	for _, dir := range []string{"loader/entries", "EFI/Linux"} {
		if list, err := c.volume.ReadDir(dir); err == nil && len(list) > 0 {
			return true
		}
	}
	return false
}

// configured says whether a GRUB of the tree finds its grub.cfg, or gets one.
func (c *completion) configured(l bootcheck.Loader) bool {
	dir, ok := strings.CutPrefix(l.Prefix, "/EFI/")
	return ok && dir != "" && (c.machine.Config != nil || c.has(l.Prefix[1:], "grub.cfg"))
}

// grubFrom adds the GRUB of a directory beside the shim, and what enrols keys.
func (c *completion) grubFrom(dir string) error {
	for _, name := range []string{c.grub(), c.mok()} {
		if c.has(bootDir, name) || !c.has(dir, name) {
			continue
		}
		if err := c.copyOwn(path.Join(bootDir, name), path.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// grubOf adds the GRUB of the tree beside its shim, what enrols keys, and the
// configuration.
func (c *completion) grubOf(l bootcheck.Loader) error {
	for _, f := range []struct{ name, from string }{{c.grub(), l.Path}, {c.mok(), l.MokManager}} {
		if f.from == "" || f.from == l.Start || c.has(bootDir, f.name) {
			continue
		}
		if err := c.copyTree(path.Join(bootDir, f.name), f.from); err != nil {
			return err
		}
	}
	if dir := l.Prefix[1:]; !c.has(dir, "grub.cfg") {
		c.files = append(c.files, made(path.Join(dir, "grub.cfg"), c.machine.Config))
	}
	return nil
}

// beside adds the GRUB that a shim in the place of the fallback lacks.
func (c *completion) beside() error {
	if c.has(bootDir, c.grub()) || c.has(bootDir, c.fb()) {
		return nil
	}
	have, err := c.volume.ReadFile(path.Join(bootDir, c.machine.Files.Arch.Fallback()), maxProgram)
	if err != nil {
		return err
	}
	for _, dir := range c.vendors() {
		if shim, err := c.volume.ReadFile(path.Join(dir, c.shim()), maxProgram); err == nil && string(shim) == string(have) && c.has(dir, c.grub()) {
			return c.grubFrom(dir)
		}
	}
	for _, l := range c.machine.Files.Loaders {
		if l.Shim == "" || !c.configured(l) {
			continue
		}
		if shim, err := c.machine.View.ReadFile(l.Shim, maxProgram); err == nil && string(shim) == string(have) {
			return c.grubOf(l)
		}
	}
	return nil // no shim that is known
}

// table adds what shim's fallback reads, if it is there and would find nothing.
func (c *completion) table() error {
	if !c.has(bootDir, c.fb()) {
		return nil
	}
	var shims []string
	for _, dir := range c.vendors() {
		if c.has(dir, c.csv()) {
			return nil
		}
		if c.has(dir, c.shim()) {
			shims = append(shims, dir)
		}
	}
	if len(shims) == 0 {
		return nil
	}
	id := path.Base(shims[0])
	c.files = append(c.files, made(path.Join(shims[0], c.csv()), wide("\ufeff"+c.shim()+","+id+",,This is the boot entry for "+id+"\n")))
	return nil
}

// wide returns a text in UTF-16, little endian.
func wide(text string) (b []byte) {
	for _, c := range utf16.Encode([]rune(text)) {
		b = append(b, byte(c), byte(c>>8))
	}
	return b
}

// maxMatches bounds what a pattern matches.
const maxMatches = 1000

// Glob returns the files of a partition that a pattern of path.Match matches, without
// regard to case. A directory that cannot be read has none.
func Glob(v *fat.Volume, pattern string) []string {
	dirs := []string{""}
	parts := strings.Split(strings.ToLower(pattern), "/")
	for i, part := range parts {
		var next []string
		for _, dir := range dirs {
			list, err := v.ReadDir(dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				continue
			}
			for _, e := range list {
				if ok, err := path.Match(part, strings.ToLower(e.Name)); ok && err == nil && e.Dir == (i < len(parts)-1) && len(next) < maxMatches {
					next = append(next, path.Join(dir, e.Name))
				}
			}
		}
		dirs = next
	}
	return dirs
}
