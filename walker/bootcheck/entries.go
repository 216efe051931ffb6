package bootcheck

import (
	"path"
	"slices"
	"strings"
)

// entry is what a boot loader starts.
type entry struct {
	from    string   // the file that says so
	kernel  string   // path in the tree
	initrds []string // likewise
	options string   // the command line
}

// maxEntries bounds how many are read.
const maxEntries = 100

// grubConfigs and entryDirs are where boot loaders have their configuration.
var (
	grubConfigs = []string{"/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"}
	entryDirs   = []string{"/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries"}
)

// loadEntries reads what boot loaders start, in the order in which they choose it unless
// something else is saved.
func (c *check) loadEntries() {
	saved := ""
	for _, name := range grubConfigs {
		text := c.text(name)
		env := assignments(c.text(path.Join(path.Dir(name), "grubenv")))
		if saved == "" {
			saved = env["saved_entry"]
		}
		if strings.Contains(text, "\nblscfg") || strings.Contains(text, "\n  blscfg") || strings.Contains(text, "\n\tblscfg") {
			c.entries = append(c.entries, c.bls(kernelOptions(text, env))...)
		}
		c.entries = append(c.entries, c.menu(name, text)...)
	}
	if len(c.entries) == 0 {
		c.entries = c.bls("")
	}
	if i := slices.IndexFunc(c.entries, func(e entry) bool { return saved != "" && strings.TrimSuffix(path.Base(e.from), ".conf") == saved }); i > 0 {
		c.entries[0], c.entries[i] = c.entries[i], c.entries[0]
	}
}

// kernelOptions returns what the entries of RHEL 8 call $kernelopts.
func kernelOptions(text string, env map[string]string) string {
	if o := env["kernelopts"]; o != "" {
		return o
	}
	_, rest, ok := strings.Cut(text, "default_kernelopts=\"")
	if !ok {
		return ""
	}
	o, _, _ := strings.Cut(rest, "\"")
	return o
}

// menu reads the commands "linux" and "initrd" of a grub.cfg, in their order.
func (c *check) menu(name, text string) (list []entry) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "linux", "linux16", "linuxefi":
			if strings.Contains(words[1], "$") || len(list) >= maxEntries {
				continue
			}
			list = append(list, entry{from: name, kernel: c.inBoot(words[1]), options: strings.Join(words[2:], " ")})
		case "initrd", "initrd16", "initrdefi":
			if n := len(list); n > 0 && list[n-1].initrds == nil {
				for _, w := range words[1:] {
					list[n-1].initrds = append(list[n-1].initrds, c.inBoot(w))
				}
			}
		}
	}
	return list
}

// bls reads entries of the Boot Loader Specification, the newest first.
func (c *check) bls(kernelopts string) (list []entry) {
	for _, dir := range entryDirs {
		names, _ := c.Names(dir)
		slices.SortFunc(names, func(a, b string) int { return Compare(b, a) })
		for _, name := range names {
			if !strings.HasSuffix(name, ".conf") || strings.Contains(name, "-rescue") || len(list) >= maxEntries {
				continue
			}
			list = append(list, c.entry(path.Join(dir, name), kernelopts))
		}
	}
	return list
}

func (c *check) entry(name, kernelopts string) entry {
	e := entry{from: name}
	for line := range strings.Lines(c.text(name)) {
		key, value, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		switch value = strings.TrimSpace(value); key {
		case "linux":
			e.kernel = c.inBoot(value)
		case "initrd":
			for _, w := range strings.Fields(value) {
				if !strings.HasPrefix(w, "$") {
					e.initrds = append(e.initrds, c.inBoot(w))
				}
			}
		case "options":
			value = strings.ReplaceAll(value, "$kernelopts", kernelopts)
			e.options = strings.TrimSpace(e.options + " " + strings.TrimSpace(strings.ReplaceAll(value, "$tuned_params", "")))
		}
	}
	return e
}

// inBoot returns where the tree has a file that a boot loader names by its path in the
// partition that it reads, which may be /boot, the EFI system partition, or a btrfs with
// SOURCE in a subvolume.
func (c *check) inBoot(name string) string {
	if _, rest, ok := strings.Cut(name, ")"); ok && strings.HasPrefix(name, "(") {
		name = rest
	}
	candidates := []string{name, path.Join("/boot", name), path.Join("/efi", name), path.Join("/boot/efi", name)}
	if i := strings.Index(name, "/boot/"); i > 0 {
		candidates = append(candidates, name[i:])
	}
	for _, n := range candidates {
		if strings.HasPrefix(n, "/") && c.IsFile(n) {
			return c.Real(n)
		}
	}
	return path.Clean("/" + name)
}

// option returns the value of an option of the command line, the last if there are several;
// "" if there is none.
func (c *check) option(name string) string {
	if len(c.entries) == 0 {
		return ""
	}
	value := ""
	for _, w := range strings.Fields(c.entries[0].options) {
		if v, ok := strings.CutPrefix(w, name+"="); ok {
			value = strings.Trim(v, `"`)
		}
	}
	return value
}
