package contents

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"purebundle/ext2img/extfs"
)

// Machine says which machines can start from a disk.
type Machine struct {
	Arch string // of the programs, as EC2 calls it: x86_64, arm64 or i386
	BIOS bool   // it has boot code and a place for the rest of it
	UEFI bool   // it has an EFI system partition
	OS   string // ID of /etc/os-release, "" if there is none
}

// Machine finds that out; the error says why no machine can.
func (c *Contents) Machine() (m Machine, err error) {
	if c.Table == nil {
		return m, errors.New("has no partition table: it is a file system alone, from which no machine starts")
	}
	root := c.Systems[0].FS
	if m.Arch, err = arch(root); err != nil {
		return m, err
	}
	m.UEFI = c.Table.ESP >= 0
	code := c.Table.BootCode != [440]byte{}
	m.BIOS = code && (c.Table.Table == "dos" || c.Table.BIOS >= 0)
	for line := range strings.Lines(string(read(root, "/etc/os-release", maxText))) {
		if id, ok := strings.CutPrefix(strings.TrimSpace(line), "ID="); ok {
			m.OS = strings.Trim(id, `"'`)
		}
	}
	if !m.BIOS && !m.UEFI {
		return m, errors.New("has neither an EFI system partition nor boot code with a place for its loader: no machine starts from it")
	}
	return m, nil
}

// ELF (elf(5)).
const (
	elfMachine = 18 // u16, e_machine
	elfHeader  = 20 // bytes that are read
)

// machines are the values of e_machine that EC2 has machines for.
var machines = map[uint16]string{3: "i386", 62: "x86_64", 183: "arm64"}

// programs are files that a system has, in their order of weight.
var programs = []string{"/usr/lib/systemd/systemd", "/lib/systemd/systemd", "/sbin/init", "/usr/sbin/init", "/bin/sh", "/usr/bin/sh", "/bin/bash", "/bin/busybox"}

// arch returns for which processors the programs of a tree are.
func arch(root *extfs.FS) (string, error) {
	for _, name := range programs {
		head := read(root, name, elfHeader)
		if len(head) < elfHeader || !bytes.HasPrefix(head, []byte("\x7fELF")) {
			continue
		}
		machine := binary.LittleEndian.Uint16(head[elfMachine:])
		if a := machines[machine]; a != "" {
			return a, nil
		}
		return "", fmt.Errorf("%s is for a processor (e_machine %d) that EC2 has no machines with", name, machine)
	}
	return "", errors.New("has no program by which to tell the processor")
}
