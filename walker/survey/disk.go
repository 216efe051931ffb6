package survey

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"purebundle/walker/volume"
)

// Disk is what a disk's first and last sectors say, and what its partitions hold.
type Disk struct {
	Path       string // of its device, "/dev/vda"; "" if it was read from an image
	SectorSize int64  // bytes, logical: the unit of its table
	Size       int64  // bytes
	Table      string // "gpt" or "dos"
	GUID       string // of a GPT, in lower case as all such text here
	Signature  uint32 // NT disk signature at byte 440; 0 for none, as is usual on a GPT disk
	// BootCode is what firmware of the BIOS kind runs: bytes 0 to 439.
	BootCode [440]byte
	// Gap is what lies between sector 0 and the first partition of a dos disk, and may
	// hold the rest of a boot loader.
	Gap Range
	// ProtectiveActive is true if the entry that protects a GPT is marked active:
	// some BIOSes start from no other disk.
	ProtectiveActive bool
	Partitions       []Partition // by number, without gaps in the slice

	// Indexes of Partitions; -1 for none.
	Root int // the source's root; Read does not know it
	ESP  int // EFI system partition
	BIOS int // BIOS boot partition of a GPT, for GRUB's core.img
	Boot int // a /boot of its own that is not the ESP

	// Notes are sentences on what is not as it should be: a damaged table of which
	// the other copy was read.
	Notes []string
}

// ID returns what sfdisk and blkid call the disk by: the GUID, or 0x and eight
// hexadecimal digits of the signature.
func (d *Disk) ID() string {
	if d.Table == "gpt" {
		return d.GUID
	}
	return fmt.Sprintf("0x%08x", d.Signature)
}

// Range is a piece of a disk, in bytes.
type Range struct {
	Offset, Size int64
}

// Partition is one entry of the table.
type Partition struct {
	Number      int    // as in the names of devices: vda1
	Start, Size int64  // bytes
	Type        string // GPT: GUID, in lower case; dos: two hexadecimal digits
	UUID        string // PARTUUID; "" on a dos disk without signature
	Name        string // GPT only
	Attributes  uint64 // GPT only
	Active      bool   // dos only: the boot indicator is 0x80
	Extended    bool   // dos only: it holds the partitions from 5 on and no content of its own

	FileSystem *volume.FileSystem // nil if what it holds is not known
	Device     string             // "/dev/vda1"; "" if it was read from an image
	// MountPoint is the path below SOURCE where it is mounted; "" for nowhere.
	MountPoint string
}

// Types of partitions that have a meaning here.
const (
	TypeESP      = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
	TypeBIOSBoot = "21686148-6449-6e6f-744e-656564454649"
	TypeXBOOTLDR = "bc13c2ff-59e6-4262-a352-b275fd6f7172" // a /boot of its own, for systemd-boot

	dosESP        = "ef"
	dosProtective = "ee" // what a GPT disk has in its dos table
)

// ErrNoTable says that a disk has no partition table of a kind that is known.
var ErrNoTable = errors.New("no partition table (GPT, dos)")

// Read returns what a disk of size bytes says of itself. A GPT counts as the kernel
// has it: only if the dos table in sector 0 has an entry that protects it. The error
// is ErrNoTable if there is no table; it is another one if there is one that cannot
// be made again from what it says, as with partitions that overlap.
func Read(r io.ReaderAt, size, sectorSize int64) (*Disk, error) {
	d, err := readTable(r, size, sectorSize)
	if err != nil {
		return nil, err
	}
	for i := range d.Partitions {
		p := &d.Partitions[i]
		if err := d.identify(p, io.NewSectionReader(r, p.Start, p.Size)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// readTable is Read without a look at what partitions hold.
func readTable(r io.ReaderAt, size, sectorSize int64) (*Disk, error) {
	switch sectorSize {
	case 512, 1024, 2048, 4096:
	default:
		return nil, fmt.Errorf("a disk with sectors of %d bytes", sectorSize)
	}
	d := &Disk{SectorSize: sectorSize, Size: size, Root: -1, ESP: -1, BIOS: -1, Boot: -1}
	if size < 2*sectorSize {
		return nil, ErrNoTable
	}
	first, err := d.read(r, 0, mbrSize)
	if err != nil {
		return nil, err
	}
	if !isMBR(first) {
		return nil, ErrNoTable
	}
	d.BootCode, d.Signature = [440]byte(first), le.Uint32(first[440:])
	if protective := protectiveEntry(first); protective != nil {
		d.ProtectiveActive = protective.active
		err = d.readGPT(r, first)
	} else {
		err = d.readDOS(r, first)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(d.Partitions, func(a, b Partition) int { return a.Number - b.Number })
	if err := d.check(); err != nil {
		return nil, err
	}
	d.findBoot()
	return d, nil
}

// read returns n bytes at an offset in bytes.
func (d *Disk) read(r io.ReaderAt, off int64, n int) ([]byte, error) {
	b := make([]byte, n)
	if got, err := r.ReadAt(b, off); got < n {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, off, err)
	}
	return b, nil
}

// identify finds out what a partition holds, from its content.
func (d *Disk) identify(p *Partition, content io.ReaderAt) error {
	if p.Extended {
		return nil
	}
	fs, err := volume.Identify(content, p.Size)
	switch {
	case err == nil:
		p.FileSystem = &fs
	case errors.As(err, new(*volume.AmbiguousError)):
		d.note("partition %d: %v", p.Number, err)
	case !errors.Is(err, volume.ErrNone):
		return fmt.Errorf("partition %d: %w", p.Number, err)
	}
	return nil
}

func (d *Disk) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

// check refuses partitions that lie outside the disk or over one another. An
// extended one holds those from 5 on.
func (d *Disk) check() error {
	var order []*Partition
	for i := range d.Partitions {
		p := &d.Partitions[i]
		if p.Start < d.SectorSize || p.Size <= 0 || p.Size > d.Size-p.Start {
			return fmt.Errorf("partition %d (bytes %d to %d) is not within the disk of %d bytes", p.Number, p.Start, p.Start+p.Size, d.Size)
		}
		if !p.Extended {
			order = append(order, p)
		}
	}
	slices.SortFunc(order, func(a, b *Partition) int { return cmp.Compare(a.Start, b.Start) })
	for i := 1; i < len(order); i++ {
		if a, b := order[i-1], order[i]; a.Start+a.Size > b.Start {
			return fmt.Errorf("partitions %d and %d overlap", a.Number, b.Number)
		}
	}
	return nil
}

// findBoot finds by their types the partitions that are needed to start.
func (d *Disk) findBoot() {
	for i, p := range d.Partitions {
		switch {
		case d.ESP < 0 && (p.Type == TypeESP || p.Type == dosESP):
			d.ESP = i
		case d.BIOS < 0 && p.Type == TypeBIOSBoot:
			d.BIOS = i
		case d.Boot < 0 && p.Type == TypeXBOOTLDR:
			d.Boot = i
		}
	}
}
