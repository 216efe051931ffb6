package survey

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"purebundle/walker/mounttable"
)

// fake is a machine that there is not: devices in a directory like sysfs, files for
// disks, and a mount table in which the root is a directory of the test.
type fake struct {
	t     *testing.T
	sys   string
	root  string // SOURCE
	id    uint64 // of the mount that it really lies on
	lines []*mountinfo.Info
	disks map[uint64]piece
}

func newFake(t *testing.T) *fake {
	root := t.TempDir()
	fd, err := unix.Open(root, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	id, err := mounttable.ID(fd)
	if err != nil {
		t.Fatal(err)
	}
	return &fake{t: t, sys: t.TempDir(), root: root, id: id, disks: make(map[uint64]piece)}
}

func (f *fake) host() host {
	return host{f.sys, func() ([]*mountinfo.Info, error) { return f.lines, nil }, f.open}
}

// open opens a disk, or a piece of one that is a partition.
func (f *fake) open(dev uint64) (content, error) {
	p, ok := f.disks[dev]
	if !ok {
		return nil, &os.PathError{Op: "open", Path: fmt.Sprint(dev), Err: fs.ErrPermission}
	}
	file, err := os.Open(p.image)
	if err != nil {
		return nil, err
	}
	return struct {
		io.ReaderAt
		io.Closer
	}{io.NewSectionReader(file, p.start, p.size), file}, nil
}

// piece is a part of a file that is the content of a device.
type piece struct {
	image       string
	start, size int64 // bytes
}

// device makes a block device below a directory of sysfs, with files "name=content".
func (f *fake) device(path string, dev string, files ...string) {
	f.t.Helper()
	dir := filepath.Join(f.sys, "devices", path)
	for _, file := range append(files, "dev="+dev) {
		name, content, _ := strings.Cut(file, "=")
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content+"\n"), 0o644)); err != nil {
			f.t.Fatal(err)
		}
	}
	f.link(filepath.Join("dev/block", dev), path)
}

// link makes a link in sysfs to a device.
func (f *fake) link(name, path string) {
	f.t.Helper()
	name = filepath.Join(f.sys, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(filepath.Join(f.sys, "devices", path), name)); err != nil {
		f.t.Fatal(err)
	}
}

// mount adds a line to the mount table: "0:1 / /boot rw - ext4 /dev/sda1 rw".
func (f *fake) mount(text string) {
	f.t.Helper()
	id := uint64(1<<20 + len(f.lines))
	fields := strings.Fields(text)
	if fields[2] == "/" {
		id, fields[2] = f.id, f.root
	} else {
		fields[2] = f.root + fields[2]
	}
	lines, err := mounttable.Parse(fmt.Sprintf("%d 1 %s\n", id, strings.Join(fields, " ")))
	if err != nil {
		f.t.Fatal(err)
	}
	f.lines = append(f.lines, lines...)
}

func (f *fake) of() *Machine {
	f.t.Helper()
	m, err := f.host().of(f.root)
	if err != nil {
		f.t.Fatal(err)
	}
	if (m.Disk == nil) == (m.Why == "") {
		f.t.Errorf("disk %v, why %q", m.Disk, m.Why)
	}
	return m
}

// disk adds a disk whose content is a file, with the partitions that it has.
func (f *fake) disk(name string, minor int, image string) {
	f.t.Helper()
	file, err := os.Open(image)
	if err != nil {
		f.t.Fatal(err)
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		f.t.Fatal(err)
	}
	d, err := Read(file, st.Size(), 512)
	if err != nil {
		f.t.Fatal(err)
	}
	dir := "pci0/block/" + name
	f.device(dir, fmt.Sprintf("8:%d", minor), fmt.Sprintf("size=%d", st.Size()/512), "queue/logical_block_size=512")
	f.disks[unix.Mkdev(8, uint32(minor))] = piece{image, 0, st.Size()}
	for _, p := range d.Partitions {
		f.disks[unix.Mkdev(8, uint32(minor+p.Number))] = piece{image, p.Start, p.Size}
		size := p.Size / 512
		if p.Extended {
			size = 2 // as in the kernel
		}
		f.device(fmt.Sprintf("%s/%s%d", dir, name, p.Number), fmt.Sprintf("8:%d", minor+p.Number), fmt.Sprintf("partition=%d", p.Number),
			fmt.Sprintf("start=%d", p.Start/512), fmt.Sprintf("size=%d", size))
	}
}

// file changes a file of sysfs.
func (f *fake) file(name, content string) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.sys, "devices", name), []byte(content+"\n"), 0o644); err != nil {
		f.t.Fatal(err)
	}
}
