package disk

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/diskfs/go-diskfs/partition/mbr"

	"purebundle/ext2img"
	"purebundle/ext2img/internal/sparse"
)

// SectorSize is the size of a logical block, in bytes: the only one that is made.
const SectorSize = 512

// Kinds of partition tables, as libblkid calls them.
const (
	GPT = "gpt"
	DOS = "dos"
)

// Table says how a disk is divided.
type Table struct {
	Kind       string // GPT or DOS
	ID         string // the disk's GUID; of a DOS table its signature, 0x and eight hexadecimal digits
	BootCode   []byte // what the BIOS starts, at most BootCodeSize bytes
	Active     bool   // GPT: its protective entry is marked active, without which some BIOSes do not start
	Gap        io.ReaderAt
	GapSize    int64 // bytes from sector 1 on that Gap has: where GRUB lies on a DOS disk
	Partitions []Partition
}

// BootCodeSize is the room for boot code in sector 0, in bytes: behind it are the
// signature of the disk, at 0x1b8, and the table.
const BootCodeSize = 440

const (
	signatureOffset = 0x1b8   // u32, of the disk
	firstEntry      = 0x1be   // u8, the boot indicator of the first entry of a DOS table
	active          = 0x80    // in a boot indicator
	maxStart        = 1 << 30 // bytes: copied partitions that end behind it are moved
	alignment       = 1 << 20 // bytes, of partitions that are moved
	Tail            = 1 << 20 // bytes behind root: the backup GPT, rounded up
)

// Partition is one partition. It is copied if it has Content, else an ext4 is made for it,
// whose Start is for Place to say, as is root's Size for Image.
type Partition struct {
	Number     int    // as Linux counts, from 1
	Type       string // GUID; in a DOS table two hexadecimal digits
	UUID       string // PARTUUID; a DOS table has none
	Name       string // GPT only
	Attributes uint64 // GPT only
	Active     bool   // DOS only
	Start      int64  // bytes
	Size       int64  // bytes
	Content    io.ReaderAt
	Used       func() ([]ext2img.Range, error) // what of Content is in use, ascending; all else is zero on the disk. nil: all is
	Root       bool                            // it is the root file system, which is made
}

// made says whether an ext4 is made for the partition.
func (p *Partition) made() bool { return p.Content == nil }

// write writes the table of a disk of size bytes.
func (t *Table) write(dev *sparse.Device, parts []Partition) error {
	if len(t.BootCode) > BootCodeSize {
		return fmt.Errorf("boot code of %d bytes: more than %d", len(t.BootCode), BootCodeSize)
	}
	if _, err := dev.WriteAt(t.BootCode, 0); err != nil {
		return err
	}
	if t.Kind == GPT {
		return t.writeGPT(dev, parts)
	}
	return t.writeDOS(dev, parts)
}

func (t *Table) writeGPT(dev *sparse.Device, parts []Partition) error {
	g := gpt.Table{LogicalSectorSize: SectorSize, PhysicalSectorSize: SectorSize, GUID: t.ID, ProtectiveMBR: true}
	for _, p := range parts {
		g.Partitions = append(g.Partitions, &gpt.Partition{
			Index: p.Number, Type: gpt.Type(strings.ToUpper(p.Type)), GUID: p.UUID, Name: p.Name, Attributes: p.Attributes,
			Start: uint64(p.Start / SectorSize), Size: uint64(p.Size), End: uint64((p.Start+p.Size)/SectorSize - 1),
		})
	}
	if err := g.Write(dev, dev.Size); err != nil || !t.Active {
		return err
	}
	_, err := dev.WriteAt([]byte{active}, firstEntry)
	return err
}

// maxPrimary is the number of partitions of a DOS table that is made: those of an extended partition are not.
const maxPrimary = 4

func (t *Table) writeDOS(dev *sparse.Device, parts []Partition) error {
	id, err := strconv.ParseUint(t.ID, 0, 32)
	if err != nil {
		return fmt.Errorf("disk signature %q: %w", t.ID, err)
	}
	m := mbr.Table{LogicalSectorSize: SectorSize, PhysicalSectorSize: SectorSize}
	for range maxPrimary {
		m.Partitions = append(m.Partitions, &mbr.Partition{})
	}
	for _, p := range parts {
		kind, err := strconv.ParseUint(p.Type, 16, 8)
		if err != nil {
			return fmt.Errorf("partition %d: type %q: %w", p.Number, p.Type, err)
		}
		*m.Partitions[p.Number-1] = mbr.Partition{
			Index: p.Number, Bootable: p.Active, Type: mbr.Type(kind), Start: uint32(p.Start / SectorSize), Size: uint32(p.Size / SectorSize),
			// Cylinders, heads and sectors: beyond what they can say, so that all reads use Start.
			StartHead: 0xFE, StartSector: 0xFF, StartCylinder: 0xFF, EndHead: 0xFE, EndSector: 0xFF, EndCylinder: 0xFF,
		}
	}
	if err := m.Write(dev, dev.Size); err != nil {
		return err
	}
	_, err = dev.WriteAt(binary.LittleEndian.AppendUint32(nil, uint32(id)), signatureOffset)
	return err
}
