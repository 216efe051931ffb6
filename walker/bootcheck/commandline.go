package bootcheck

import (
	"fmt"
	"slices"
	"strings"
)

// commandLine judges the command line of the kernel that starts.
func (c *check) commandLine() {
	if len(c.entries) == 0 || c.entries[0].options == "" {
		return
	}
	e := c.entries[0]
	if root := c.option("root"); root != "" && c.isLost(root) {
		c.find(Finding{RootDevice, Fatal, e.from, "the command line has root=" + cite(root),
			"the new disk's root has no such name: it is waited for in vain", c.replace(e.from, "root="+root, c.rootName())})
	}
	if t := c.option("rootfstype"); t != "" && !slices.ContainsFunc(strings.Split(t, ","), isExt4) && !strings.HasPrefix(t, "$") {
		c.find(Finding{RootType, Fatal, e.from, "the command line has rootfstype=" + cite(t),
			"root is an ext4 in the image, and is not mounted as anything else", c.replace(e.from, "rootfstype="+t, "rootfstype=ext4")})
	}
	if flags := c.option("rootflags"); flags != "" {
		kept, foreign := splitFlags(flags)
		if foreign != "" {
			now := ""
			if kept != "" {
				now = "rootflags=" + kept
			}
			c.find(Finding{RootFlags, Fatal, e.from, "the command line has rootflags=" + cite(flags),
				"ext4 knows no " + foreign + ", and is not mounted", c.replace(e.from, "rootflags="+flags, now)})
		}
	}
	c.console(e)
}

func isExt4(t string) bool { return t == "ext4" || t == "auto" }

// isLost says whether the value of root= finds nothing on the new disk.
func (c *check) isLost(root string) bool {
	switch {
	case strings.ContainsRune(root, '$'), root == "/dev/nfs", strings.HasPrefix(root, "/dev/ram"):
		return false
	case strings.HasPrefix(root, "UUID="), strings.HasPrefix(root, "LABEL="), strings.HasPrefix(root, "PARTUUID="), strings.HasPrefix(root, "PARTLABEL="), strings.HasPrefix(root, "/dev/disk/by-"):
		f := c.opt.Facts
		return f != nil && f.Root.UUID != "" && !f.Root.Finds(root)
	}
	return strings.HasPrefix(root, "/dev/")
}

// rootName returns the option that finds root on the new disk.
func (c *check) rootName() string {
	if f := c.opt.Facts; f != nil && f.Root.UUID != "" {
		return "root=UUID=" + f.Root.UUID
	}
	return `root=UUID="$(findmnt -no UUID /)"`
}

// replace returns the command that replaces a word in a configuration of a boot loader and
// in those that the next one is made from.
func (c *check) replace(from, old, now string) string {
	files := from
	for _, name := range []string{"/etc/default/grub", "/etc/kernel/cmdline"} {
		if strings.Contains(c.text(name), old) {
			files += " " + name
		}
	}
	if !plain(from, old) {
		return "edit " + files
	}
	quote := strings.NewReplacer(`\`, `\\`, `.`, `\.`, `*`, `\*`, `[`, `\[`, `|`, `\|`)
	if strings.Contains(now, "$(") {
		return fmt.Sprintf(`sed -i "s|%s|%s|g" %s`, quote.Replace(old), strings.ReplaceAll(now, `"`, ""), files)
	}
	return fmt.Sprintf("sed -i 's|%s|%s|g' %s", quote.Replace(old), now, files)
}

// foreignFlags begin options of btrfs and XFS that ext4 refuses.
var foreignFlags = []string{
	"subvol", "compress", "ssd", "nossd", "space_cache", "autodefrag", "degraded", "datacow", "nodatacow", "datasum", "nodatasum", "max_inline", "thread_pool", "clear_cache", "flushoncommit", "skip_balance",
	"inode64", "inode32", "attr2", "logbufs", "logbsize", "logdev", "swalloc", "nouuid", "pquota", "prjquota", "pqnoenforce", "uquota", "gquota", "uqnoenforce", "gqnoenforce", "largeio", "allocsize", "wsync", "filestreams", "sunit", "swidth", "rtdev",
	"background_gc", "active_logs",
}

// splitFlags returns the options that ext4 may know, and the first that it does not.
func splitFlags(list string) (kept, foreign string) {
	var keep []string
	for o := range strings.SplitSeq(list, ",") {
		name, _, _ := strings.Cut(o, "=")
		if slices.ContainsFunc(foreignFlags, func(f string) bool {
			return name == f || f == "subvol" && name == "subvolid" || f == "compress" && name == "compress-force"
		}) {
			if foreign == "" {
				foreign = cite(o)
			}
			continue
		}
		keep = append(keep, o)
	}
	return strings.Join(keep, ","), foreign
}

// console judges whether the kernel writes to a serial line. ARM64 takes the one that
// firmware tells of.
func (c *check) console(e entry) {
	if c.files.Arch != X64 {
		return
	}
	for _, w := range strings.Fields(e.options) {
		if strings.HasPrefix(w, "console=ttyS0") || strings.HasPrefix(w, "console=hvc0") {
			return
		}
	}
	c.find(Finding{Console, c.severity(Note, Warning, Any), e.from, "the command line has no console=ttyS0",
		"on a serial console, the only one of many clouds, nothing of a start that fails is seen", c.files.Distro.addOption(c.View, "console=tty0 console=ttyS0,115200n8")})
}
