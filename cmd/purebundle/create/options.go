package create

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
	"purebundle/walker/volume"
)

// Options say what a run is to make, and of which tree. A run only reads them.
type Options struct {
	Source string
	Walk   walker.Options
	Mounts *walker.Plan   // what is decided about SOURCE's mounts; closed by who made it
	Image  ext2img.Params // of the disk, if there is one
	Disk   *Disk          // nil: the file system alone is made
	Notes  Notes
	Given  struct{ UUID, Label bool } // of Image: asked for, not found
	// Names are those of the file system whose root SOURCE is; nil: SOURCE is a directory
	// further down, or of a kind that package volume does not know.
	Names *volume.Names
	Edits EditChoice
	// CheckFor is where a machine is to start from Disk, which is judged beside the work; "": it is
	// not judged.
	CheckFor bootcheck.Target
	// AllUsed makes an exclude or include that changes nothing an error, not a warning.
	AllUsed bool

	Prefix string
	Dest   string      // a directory, or a URL of S3; "": nowhere, with DryRun
	Place  s3.Location // of DEST, if it is in S3
	S3     cli.S3      // how it is reached then
	EBS    cli.EBS     // the snapshot, if DEST is one
	Work   string      // directory of this run alone that DEST is in; "": none

	Base    string        // an older bundle that the new one is to keep to; "": none
	Reread  bool          // read every file all the same
	AnyUUID bool          // Image.UUID is one that was made up
	madeAt  *ext2img.Time // when the first of its bases was made; nil: unknown, or there is none

	Force, Strict, DryRun, JSON bool
	TrustDest                   bool // see chunk.Directory
}

// Notes are warnings about what the image is called, "" if there is nothing to warn of.
type Notes struct{ UUID, Label string }

// warnings returns them as those of the walk.
func (n Notes) warnings() (list []walker.Warning) {
	for _, text := range []string{n.UUID, n.Label} {
		if text != "" {
			list = append(list, walker.Warning{Path: "/", Text: text, Count: 1})
		}
	}
	return list
}

// ParamsFor returns the parameters of an image of source: it has the label and the
// UUID of the file system whose root source is, else none and a fresh one. The notes
// say what of them could not be kept, and what depends on it.
func ParamsFor(source string) (p ext2img.Params, id *volume.Names, n Notes) {
	now := time.Now()
	p = ext2img.Params{UUID: uuid.New(), Now: ext2img.Time{Sec: now.Unix(), Nsec: uint32(now.Nanosecond())}, PartSize: chunk.Size}
	found, err := volume.At(source)
	if !errors.Is(err, volume.ErrNone) {
		id = &found
	}
	return p, id, takeNames(&p, found, err)
}

// takeNames gives the image the names that volume.At returned.
func takeNames(p *ext2img.Params, id volume.Names, err error) (n Notes) {
	const depends = "what names the old one (root= of the boot loader, /etc/fstab) does not find it"
	switch {
	case errors.Is(err, volume.ErrNone), err == nil && id.UUID == [16]byte{}:
		return n
	case err != nil:
		n.UUID = fmt.Sprintf("the image's UUID is fresh, as that of the file system is unknown (%v): %s; --uuid keeps it", err, depends)
		return n
	}
	p.UUID = id.UUID
	if len(id.Label) <= cli.MaxLabel {
		p.Label = id.Label
	} else {
		n.Label = fmt.Sprintf("the image has no label, as ext4 holds %d bytes of the %d of %q: %s; --label gives it one", cli.MaxLabel, len(id.Label), id.Label, depends)
	}
	return n
}
