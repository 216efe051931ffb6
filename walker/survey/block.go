package survey

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// block is a block device as sysfs shows it.
type block struct {
	dir       string // its directory in sysfs, without links
	dev       uint64
	path      string // "/dev/vda1"
	partition bool
	kind      string // "LVM", "RAID", … of a device that is made of others; "" for none
}

// block returns the block device with a number.
func (h host) block(dev uint64) (block, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(h.sys, "dev/block", fmt.Sprintf("%d:%d", unix.Major(dev), unix.Minor(dev))))
	if err != nil {
		return block{}, err
	}
	return h.blockIn(dir)
}

// blockIn returns the block device of a directory in sysfs.
func (h host) blockIn(dir string) (b block, err error) {
	b.dir = dir
	if b.dev, err = readNumber(filepath.Join(dir, "dev")); err != nil {
		return b, err
	}
	b.path = "/dev/" + strings.ReplaceAll(filepath.Base(dir), "!", "/") // "cciss!c0d0"
	_, err = os.Lstat(filepath.Join(dir, "partition"))
	b.partition = err == nil
	if _, err := os.Lstat(filepath.Join(dir, "md")); err == nil {
		b.kind = "RAID"
	}
	if id, err := readLine(filepath.Join(dir, "dm/uuid")); err == nil {
		b.kind = mapperKind(id)
	}
	return b, nil
}

// mapperKind returns what a device-mapper device is, by the start of its UUID.
func mapperKind(id string) string {
	kind, _, _ := strings.Cut(id, "-")
	switch {
	case kind == "LVM":
		return "LVM"
	case strings.HasPrefix(id, "CRYPT-VERITY"):
		return "dm-verity"
	case kind == "CRYPT":
		return "LUKS encryption"
	case kind == "mpath", strings.HasPrefix(kind, "part") && strings.Contains(id, "-mpath-"):
		return "multipath"
	case kind == "DMRAID":
		return "firmware RAID"
	}
	return "the device mapper"
}

// lacks returns a clause on what is not done with the disk of a device that is no
// partition.
func (b block) lacks() string {
	if b.kind == "" {
		return "it has no partition table, and nothing that starts from it"
	}
	return "the disks below it are not copied"
}

// maxSlaves bounds how deep what has said of devices below devices.
const maxSlaves = 8

// what returns what a device is, with what lies below it: "LVM (dm-0, vg-root) on
// /dev/vda3".
func (h host) what(b block) string { return h.whatBelow(b, maxSlaves) }

func (h host) whatBelow(b block, depth int) string {
	if b.kind == "" {
		return b.path
	}
	name := filepath.Base(b.dir)
	for _, file := range []string{"dm/name", "md/level"} {
		if more, err := readLine(filepath.Join(b.dir, file)); err == nil && more != "" {
			name += ", " + more
		}
	}
	text := fmt.Sprintf("%s (%s)", b.kind, name)
	links, err := os.ReadDir(filepath.Join(b.dir, "slaves"))
	if err != nil || len(links) == 0 || depth == 0 {
		return text
	}
	var below []string
	for _, l := range links {
		dir, err := filepath.EvalSymlinks(filepath.Join(b.dir, "slaves", l.Name()))
		if err != nil {
			below = append(below, l.Name())
		} else if s, err := h.blockIn(dir); err != nil {
			below = append(below, l.Name())
		} else {
			below = append(below, h.whatBelow(s, depth-1))
		}
	}
	slices.Sort(below)
	return text + " on " + strings.Join(below, " and ")
}

// The files of sysfs hold one line each.

func readLine(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSuffix(string(b), "\n"), err
}

func readInt(path string) (int64, error) {
	text, err := readLine(path)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/sysSector {
		return 0, fmt.Errorf("%s: %q is no number of sectors or bytes", path, text)
	}
	return n, nil
}

// readNumber reads the number of a device, "254:1".
func readNumber(path string) (uint64, error) {
	text, err := readLine(path)
	if err != nil {
		return 0, err
	}
	var major, minor uint32
	if _, err := fmt.Sscanf(text, "%d:%d", &major, &minor); err != nil {
		return 0, fmt.Errorf("%s: %q is no number of a device", path, text)
	}
	return unix.Mkdev(major, minor), nil
}
