package create

import (
	"time"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img"
	"purebundle/walker"
	"purebundle/walker/volume"
)

// Options say what a run is to make, and of which tree. A run only reads them.
type Options struct {
	Source string
	Walk   walker.Options
	Image  ext2img.Params
	// AllUsed makes an exclude or include that changes nothing an error, not a warning.
	AllUsed bool

	Prefix string
	Dest   string      // a directory, or a URL of S3; "": nowhere, with DryRun
	Place  s3.Location // of DEST, if it is in S3
	S3     cli.S3      // how it is reached then
	Work   string      // directory of this run alone that DEST is in; "": none

	Force, Strict, DryRun, JSON bool
}

// ParamsFor returns the parameters of an image of source: it has the label and the
// UUID of the ext file system whose root source is, else none and a fresh one.
func ParamsFor(source string) ext2img.Params {
	now := time.Now()
	p := ext2img.Params{UUID: uuid.New(), Now: ext2img.Time{Sec: now.Unix(), Nsec: uint32(now.Nanosecond())}, PartSize: chunk.Size}
	// No error is one: it may be another file system, or one whose device this user cannot read.
	if id, err := volume.At(source); err == nil {
		p.Label, p.UUID = id.Label, id.UUID
	}
	return p
}
