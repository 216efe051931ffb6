package create

import (
	"fmt"

	"purebundle/cmd/purebundle/cli"
	"purebundle/walker/survey"
)

// DiskKind says which disk is made.
type DiskKind string

// The kinds of disks.
const (
	NoDisk    DiskKind = ""
	AutoDisk  DiskKind = "auto"  // that of SOURCE; a new one if SOURCE has none
	FreshDisk DiskKind = "fresh" // a new one, whatever SOURCE is on
)

// Check finds words that are no kind of disk.
func (k DiskKind) Check() error {
	switch k {
	case NoDisk, AutoDisk, FreshDisk:
		return nil
	}
	return cli.WithHint(cli.Usagef("--disk=%s: no such disk", k), "--disk makes the disk of SOURCE, --disk=%s a new one that starts by UEFI", FreshDisk)
}

// OpenDisk opens the disk that SOURCE's root lies on, or makes one, and says in opt what
// follows from it. The error says why no disk can be made.
func OpenDisk(opt *Options, kind DiskKind) error {
	if kind == NoDisk {
		return nil
	}
	m, err := survey.Of(opt.Source)
	if err != nil {
		return fmt.Errorf("bundle %s --disk: %w", opt.Source, err)
	}
	switch why := cannot(m); {
	case kind == FreshDisk || m.Bare:
		opt.Disk, err = openFresh(opt)
	case why != nil:
		err = cli.WithHint(fmt.Errorf("bundle %s --disk: %w", opt.Source, why),
			"--disk=%s makes a new one that starts by UEFI; without --disk the file system alone is bundled", FreshDisk)
	default:
		opt.Disk, err = openDisk(opt, m)
	}
	if err != nil {
		return err
	}
	opt.Disk.Options(&opt.Walk)
	return nil
}
