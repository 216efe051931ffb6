package look

import (
	"errors"
	"fmt"
	"io"

	"purebundle/chunk"
	"purebundle/walker/fat"
	"purebundle/walker/survey"
)

// sectorSize is that of the disks that are made, in bytes.
const sectorSize = 512

// checkTable says what is wrong with the partition table of a disk: with either copy
// of a GPT, or against the manifest.
func checkTable(b *chunk.Bundle, say func(problem string)) {
	want := b.Manifest().Disk
	if want == nil {
		return
	}
	got, err := survey.Read(b, b.Size(), sectorSize)
	if err != nil {
		say(fmt.Sprintf("partition table: %v", err))
		return
	}
	for _, note := range got.Notes {
		say("partition table: " + note)
	}
	id := got.ID()
	if got.Table != want.Table || id != want.ID || len(got.Partitions) != len(want.Partitions) {
		say(fmt.Sprintf("partition table: %s %s with %d partitions; the manifest has %s %s with %d", got.Table, id, len(got.Partitions), want.Table, want.ID, len(want.Partitions)))
		return
	}
	for _, w := range want.Partitions {
		found := false
		for _, g := range got.Partitions {
			found = found || g.Number == w.Number && g.Start == w.Start && g.Size == w.Size && g.Type == w.Type
		}
		if !found {
			say(fmt.Sprintf("partition table: partition %d is not as in the manifest", w.Number))
		}
	}
}

// checkFATs says what is wrong with the tables of the FATs that were copied.
func checkFATs(b *chunk.Bundle, say func(problem string)) error {
	disk := b.Manifest().Disk
	if disk == nil {
		return nil
	}
	for _, p := range disk.Partitions {
		if p.FS == nil || p.FS.Made || p.FS.Type != "vfat" {
			continue
		}
		report := func(problem string) { say(fmt.Sprintf("partition %d: %s", p.Number, problem)) }
		f, err := fat.Open(io.NewSectionReader(b, p.Start, p.Size), p.Size)
		switch {
		case errors.Is(err, fat.ErrNone):
			report("it is no FAT, which the manifest says that it is")
		case err == nil:
			err = f.Check(report)
		}
		if err != nil && !errors.Is(err, fat.ErrNone) {
			return fmt.Errorf("partition %d: %w", p.Number, err)
		}
	}
	return nil
}
