package create

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/ext2img/disk"
	"purebundle/walker"
	"purebundle/walker/survey"
)

// image is what a run makes: a file system, or a disk around one.
type image interface {
	Size() int64
	Parts() ext2img.Parts
	Stats() ext2img.Stats
	Make(ctx context.Context, out ext2img.Output) (ext2img.Report, error)
}

// Disk is the disk of SOURCE, open to be copied as far as a boot loader reads it.
type Disk struct {
	old    *survey.Disk
	layout *disk.Layout
	image  *disk.Image // when root is laid out
	device *disk.Device
	mounts []*os.File // of partitions that are copied, to have them written before
	apart  []string   // where these are mounted below SOURCE
	notes  []string   // what is not on the disk that is made
}

// OpenDisk opens the disk that source's root lies on. The error says why there is none
// that can be made again.
func OpenDisk(source string) (d *Disk, err error) {
	m, err := survey.Of(source)
	if err == nil {
		err = cannot(m)
	}
	if err != nil {
		return nil, cli.WithHint(fmt.Errorf("bundle %s --disk: %w", source, err), "without --disk the file system alone is bundled")
	}
	d = &Disk{old: m.Disk, notes: m.Notes}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if d.device, err = disk.Open(m.Disk.Path); err != nil {
		return nil, err
	}
	for _, p := range m.Disk.Partitions {
		if at := p.MountPoint; at != "" && at != "/" && stays(m.Disk, p) {
			f, err := os.Open(filepath.Join(source, at))
			if err != nil {
				return nil, err
			}
			d.mounts, d.apart = append(d.mounts, f), append(d.apart, at)
		}
	}
	if d.layout, err = disk.Place(d.table(m.Disk), chunk.Size); err != nil {
		return nil, fmt.Errorf("bundle %s --disk: %w", source, err)
	}
	return d, nil
}

// cannot says why the disk of a machine cannot be made again, nil if it can.
func cannot(m *survey.Machine) error {
	switch {
	case m.Disk == nil:
		return errors.New(m.Why)
	case m.Disk.SectorSize != disk.SectorSize:
		return fmt.Errorf("%s has sectors of %d bytes, and only those of %d are made", m.Disk.Path, m.Disk.SectorSize, disk.SectorSize)
	case m.Disk.Boot >= 0:
		p := m.Disk.Partitions[m.Disk.Boot]
		return fmt.Errorf("/boot is a partition of its own (%s), which is not made yet", p.Device)
	}
	return nil
}

// stays says whether a boot loader reads a partition, so that it stays one.
func stays(d *survey.Disk, p survey.Partition) bool {
	return d.ESP >= 0 && p.Number == d.Partitions[d.ESP].Number || d.BIOS >= 0 && p.Number == d.Partitions[d.BIOS].Number
}

// table returns what the disk is to have, and notes what of the old one it has not.
func (d *Disk) table(old *survey.Disk) *disk.Table {
	t := &disk.Table{Kind: old.Table, ID: old.ID(), BootCode: old.BootCode[:], Active: old.ProtectiveActive}
	if t.Kind == disk.DOS {
		t.Gap, t.GapSize = io.NewSectionReader(d.device, old.Gap.Offset, old.Gap.Size), old.Gap.Size
	}
	for i, p := range old.Partitions {
		switch {
		case i == old.Root:
		case stays(old, p):
		default:
			d.notes = append(d.notes, fmt.Sprintf("partition %d of %s (%s) is not on the disk that is made", p.Number, old.Path, holds(p)))
			continue
		}
		t.Partitions = append(t.Partitions, disk.Partition{
			Number: p.Number, Type: p.Type, UUID: p.UUID, Name: p.Name, Attributes: p.Attributes, Active: p.Active,
			Start: p.Start, Size: p.Size, Content: io.NewSectionReader(d.device, p.Start, p.Size), Root: i == old.Root,
		})
	}
	return t
}

// holds says what a partition holds.
func holds(p survey.Partition) string {
	text := "type " + p.Type
	if p.FileSystem != nil && p.FileSystem.Type != "" {
		text = p.FileSystem.Type
	}
	if p.MountPoint != "" {
		text += " on " + p.MountPoint
	}
	return text
}

// warnings returns the notes as warnings of the walk.
func (d *Disk) warnings() (list []walker.Warning) {
	if d == nil {
		return nil
	}
	for _, text := range d.notes {
		list = append(list, walker.Warning{Path: "/", Text: text, Count: 1})
	}
	return list
}

// params returns the parameters of root's image, p being those of the disk.
func (d *Disk) params(p ext2img.Params) (ext2img.Params, error) {
	if d == nil {
		return p, nil
	}
	return d.layout.Params(p)
}

// around returns the disk around root, or root if there is none.
func (d *Disk) around(root *ext2img.Plan) (image, error) {
	if d == nil {
		return root, nil
	}
	var err error
	d.image, err = d.layout.Image(root)
	return d.image, err
}

// least returns the size of the disk whose root has so many bytes at least.
func (d *Disk) least(root int64) int64 {
	if d == nil {
		return root
	}
	return root + d.layout.Lead()
}

// Apart returns where the partitions that stay ones are mounted below SOURCE.
func (d *Disk) Apart() []string { return d.apart }

// sync has the file systems written that are read from the disk.
func (d *Disk) sync() error {
	if d == nil {
		return nil
	}
	for _, f := range d.mounts {
		if err := unix.Syncfs(int(f.Fd())); err != nil {
			return &os.PathError{Op: "syncfs", Path: f.Name(), Err: err}
		}
	}
	return nil
}

// Close closes the disk.
func (d *Disk) Close() {
	if d == nil {
		return
	}
	for _, f := range d.mounts {
		f.Close()
	}
	if d.device != nil {
		_ = d.device.Close() // only read from
	}
}

// manifest returns what the manifest says of the disk, nil if there is none.
func (d *Disk) manifest() *chunk.Disk {
	if d == nil {
		return nil
	}
	t := d.image.Table()
	m := &chunk.Disk{Table: t.Kind, ID: t.ID}
	for _, p := range t.Partitions {
		m.Partitions = append(m.Partitions, chunk.Partition{Number: p.Number, Start: p.Start, Size: p.Size, Type: p.Type, UUID: p.UUID, Name: p.Name, Root: p.Root})
	}
	return m
}

// rows returns the row of the summary that says what the disk is, for people.
func (d *Disk) rows() [][2]string {
	if d == nil {
		return nil
	}
	var parts []string
	for _, p := range d.image.Table().Partitions {
		text := fmt.Sprintf("%d (%s)", p.Number, words.Size(p.Size))
		if p.Root {
			text = fmt.Sprintf("%d (root)", p.Number)
		}
		parts = append(parts, text)
	}
	return [][2]string{{"disk", fmt.Sprintf("%s, %s, partitions %s", d.image.Table().Kind, words.Size(d.image.Size()), strings.Join(parts, ", "))}}
}
