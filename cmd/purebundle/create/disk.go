package create

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/create/esp"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/ext2img/disk"
	"purebundle/walker"
	"purebundle/walker/fat"
	"purebundle/walker/survey"
)

// image is what a run makes: a file system, or a disk around some.
type image interface {
	Size() int64
	Used() int64 // bytes that are not free space
	InUse(off, n int64) bool
	Parts() ext2img.Parts
	Stats() ext2img.Stats
	Make(ctx context.Context, out ext2img.Output) (ext2img.Report, error)
}

// Disk is the disk that is made: that of SOURCE, open to be copied as far as a boot loader
// reads it, or a new one.
type Disk struct {
	old     *survey.Disk // of a new one what it is to be
	fresh   *fresh       // nil: it is that of SOURCE
	esp     fatCopy
	boot    *fatCopy // of kernels; nil: there is none
	table   *disk.Table
	layout  *disk.Layout
	image   *disk.Image // when all file systems are laid out
	device  *disk.Device
	volumes []*bootVolume // made beside root's
	mounts  []*os.File    // of partitions that are copied, to have them written before
	apart   []string      // where these are mounted below SOURCE
	notes   []string      // what is not on the disk that is made
}

// openDisk opens the disk of a machine.
func openDisk(opt *Options, m *survey.Machine) (d *Disk, err error) {
	source := opt.Source
	d = &Disk{old: m.Disk, notes: m.Notes, esp: newESP()}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if d.device, err = disk.Open(m.Disk.Path); err != nil {
		return nil, err
	}
	for i, p := range m.Disk.Partitions {
		if at := p.MountPoint; at != "" && fateOf(m.Disk, i) == copied {
			f, err := os.Open(filepath.Join(source, at))
			if err != nil {
				return nil, err
			}
			d.mounts, d.apart = append(d.mounts, f), append(d.apart, at)
		}
	}
	if err = d.fill(); err == nil {
		err = d.completeESP(opt)
	}
	if err == nil {
		d.layout, err = disk.Place(d.table, chunk.Size)
	}
	if err != nil {
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
	}
	return nil
}

// fate is what becomes of a partition of the old disk.
type fate int

const (
	dropped fate = iota // what it holds is merged into root, or left out
	copied
	made // an ext4, from the files in it
)

// fateOf says what becomes of partition i. A /boot of its own that is mounted there is
// made, unless it is a FAT, which ext4 is no substitute for: firmware or systemd-boot
// reads it.
func fateOf(d *survey.Disk, i int) fate {
	p := &d.Partitions[i]
	switch isFAT := p.FileSystem != nil && p.FileSystem.Type == "vfat"; i {
	case d.Root:
		return made
	case d.ESP, d.BIOS:
		return copied
	case d.Boot:
		if p.MountPoint == bootPath && !isFAT {
			return made
		}
		return copied
	}
	return dropped
}

// bootPath is where a /boot of its own is mounted.
const bootPath = "/boot"

// fill fills the table with what the disk is to have, and notes what of the old one it
// has not.
func (d *Disk) fill() error {
	old := d.old
	d.table = &disk.Table{Kind: old.Table, ID: old.ID(), BootCode: old.BootCode[:], Active: old.ProtectiveActive}
	if t := d.table; t.Kind == disk.DOS {
		t.Gap, t.GapSize = io.NewSectionReader(d.device, old.Gap.Offset, old.Gap.Size), old.Gap.Size
	}
	for i, p := range old.Partitions {
		q := disk.Partition{
			Number: p.Number, Type: p.Type, UUID: p.UUID, Name: p.Name, Attributes: p.Attributes, Active: p.Active,
			Start: p.Start, Size: p.Size, Root: i == old.Root,
		}
		switch fateOf(old, i) {
		case copied:
			if err := d.copy(&q); err != nil {
				return err
			}
		case made:
			if !q.Root {
				d.volumes = append(d.volumes, &bootVolume{old: p})
			}
		default:
			d.notes = append(d.notes, fmt.Sprintf("partition %d of %s (%s) is not on the disk that is made", p.Number, old.Path, holds(p)))
			continue
		}
		d.table.Partitions = append(d.table.Partitions, q)
	}
	return nil
}

// copy says what of a partition is copied: of a FAT the clusters in use, of others all.
func (d *Disk) copy(p *disk.Partition) error {
	p.Content = io.NewSectionReader(d.device, p.Start, p.Size)
	if p.Number == d.espNumber() {
		d.esp.under, d.esp.size = p.Content, p.Size
		p.Content, p.Used = &d.esp, d.esp.used
		return nil
	}
	f, err := fat.Open(p.Content, p.Size)
	switch {
	case errors.Is(err, fat.ErrNone):
		return nil
	case err != nil:
		return fmt.Errorf("partition %d: %w", p.Number, err)
	}
	if i := d.old.Boot; i >= 0 && p.Number == d.old.Partitions[i].Number {
		d.boot = newBoot(p.Content, p.Size)
		p.Content, p.Used = d.boot, d.boot.used
		return nil
	}
	p.Content, p.Used = f, func() ([]ext2img.Range, error) { return usedOf(f.Used()) }
	return nil
}

// usedOf returns what of a FAT is in use, as a disk wants it told.
func usedOf(used []fat.Range, err error) (ranges []ext2img.Range, _ error) {
	for _, u := range used {
		ranges = append(ranges, ext2img.Range(u))
	}
	return ranges, err
}

// rootNumber returns the number of root's partition, 0 if there is no disk.
func (d *Disk) rootNumber() int {
	if d == nil {
		return 0
	}
	return d.old.Partitions[d.old.Root].Number
}

// unlike says why an older bundle with this disk, nil if it has none, cannot be the base.
func (d *Disk) unlike(base *chunk.Disk) string {
	switch {
	case d == nil && base == nil:
		return ""
	case d == nil:
		return "it is a whole disk, and the new one is a file system"
	case base == nil:
		return "it is a file system, and the new one is a whole disk"
	case base.Table != d.table.Kind || base.ID != d.table.ID:
		return "it is another disk"
	}
	return ""
}

// espNumber returns the number of the EFI system partition, 0 if there is none.
func (d *Disk) espNumber() int {
	if d.old.ESP < 0 {
		return 0
	}
	return d.old.Partitions[d.old.ESP].Number
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
	for _, v := range d.volumes {
		list = append(list, v.notes()...)
	}
	return list
}

// others returns the file systems that are made beside root's.
func (d *Disk) others() []*bootVolume {
	if d == nil {
		return nil
	}
	return d.volumes
}

// settle lays out all file systems but root's, whose parameters it returns: p are those of
// the disk, and root has what the others leave.
func (d *Disk) settle(open ext2img.Opener, p ext2img.Params) (ext2img.Params, error) {
	if d == nil {
		return p, nil
	}
	grown := false
	for _, v := range d.volumes {
		if err := v.layOut(open); err != nil {
			return p, fmt.Errorf("%s: %w", v.at(), err)
		}
		for i := range d.table.Partitions {
			if q := &d.table.Partitions[i]; q.Number == v.old.Number {
				grown = grown || q.Size != v.size()
				q.Size = v.size()
			}
		}
	}
	if grown {
		var err error
		if d.layout, err = disk.Place(d.table, chunk.Size); err != nil {
			return p, err
		}
	}
	return d.layout.Params(p)
}

// params returns the parameters of root's image, p being those of the disk.
func (d *Disk) params(p ext2img.Params) (ext2img.Params, error) {
	if d == nil {
		return p, nil
	}
	return d.layout.Params(p)
}

// around returns the disk around its file systems, or root if there is none.
func (d *Disk) around(root *ext2img.Plan) (image, error) {
	if d == nil {
		return root, nil
	}
	systems := []disk.FileSystem{{Number: d.rootNumber(), Plan: root}}
	for _, v := range d.volumes {
		systems = append(systems, disk.FileSystem{Number: v.old.Number, At: v.at(), Plan: v.plan})
	}
	var err error
	d.image, err = d.layout.Image(systems...)
	return d.image, err
}

// least returns the size of the disk whose root has so many bytes at least.
func (d *Disk) least(root int64) int64 {
	if d == nil {
		return root
	}
	return root + d.layout.Lead()
}

// Options adds to those of the walk what becomes of the partitions.
func (d *Disk) Options(w *walker.Options) {
	w.Apart = d.apart
	for _, v := range d.volumes {
		w.Own = append(w.Own, v.at())
	}
}

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

// Path returns the path of the old disk's device.
func (d *Disk) Path() string { return d.old.Path }

// Close closes the disk.
func (d *Disk) Close() {
	if d == nil {
		return
	}
	for _, f := range d.mounts {
		f.Close()
	}
	esp.Close(d.esp.open)
	esp.Close(d.esp.add)
	if d.device != nil {
		_ = d.device.Close() // only read from
	}
}

// manifest returns what the manifest says of the disk, nil if there is none.
func (d *Disk) manifest(mounts []walker.Mount) *chunk.Disk {
	if d == nil {
		return nil
	}
	t := d.image.Table()
	m := &chunk.Disk{Table: t.Kind, ID: t.ID}
	for _, p := range t.Partitions {
		q := chunk.Partition{Number: p.Number, Start: p.Start, Size: p.Size, Type: p.Type, UUID: p.UUID, Name: p.Name, Root: p.Root}
		i := slices.IndexFunc(d.old.Partitions, func(o survey.Partition) bool { return o.Number == p.Number })
		if old := d.old.Partitions[i]; !p.Root {
			q.Mount = chunk.Path(old.MountPoint)
			if fs := old.FileSystem; fs != nil {
				q.FS = &chunk.FileSystem{Type: fs.Type, UUID: fs.UUID, Label: chunk.Path(fs.Label)}
			}
		}
		if v := d.volume(p.Number); v != nil {
			q.FS = v.manifest(mounts)
		}
		m.Partitions = append(m.Partitions, q)
	}
	return m
}

// volume returns the file system that is made for a partition beside root's, nil if none is.
func (d *Disk) volume(number int) *bootVolume {
	for _, v := range d.volumes {
		if v.old.Number == number {
			return v
		}
	}
	return nil
}

// rows returns the rows of the summary that say what the disk is, for people.
func (d *Disk) rows() [][2]string {
	if d == nil {
		return nil
	}
	var parts []string
	for _, p := range d.image.Table().Partitions {
		text := fmt.Sprintf("%d (%s)", p.Number, words.Size(p.Size))
		if v := d.volume(p.Number); v != nil {
			text = fmt.Sprintf("%d (%s)", p.Number, v.at())
		}
		if p.Root {
			text = fmt.Sprintf("%d (root)", p.Number)
		}
		parts = append(parts, text)
	}
	rows := [][2]string{{"disk", fmt.Sprintf("%s, %s, partitions %s", d.image.Table().Kind, words.Size(d.image.Size()), strings.Join(parts, ", "))}}
	for _, v := range d.volumes {
		rows = append(rows, [2]string{v.at(), v.line()})
	}
	return rows
}
