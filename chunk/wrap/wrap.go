package wrap

import (
	"fmt"
	"slices"
	"strings"
)

// File is what a format is written to. It reads as zero where nothing was written.
type File interface {
	WriteSparse(p []byte, off int64) error // pages that are zero may be left out
	Truncate(size int64) error             // bytes
}

// Writer takes an image in pieces.
type Writer interface {
	// Write takes the bytes of the image from off on; a Writer that is not in order may
	// be called by several goroutines.
	Write(p []byte, off int64) error
	// Close writes what is to be written when all pieces are there.
	Close() error
}

// Format is a kind of file.
type Format struct {
	Name    string
	InOrder bool // pieces must come one after the other
	Back    bool // what was written before is written to again: it cannot go through a pipe
	Open    func(f File, size int64) (Writer, error)
}

// formats lists all, the one of no wrapping first.
var formats = []*Format{
	{"raw", false, false, newRaw},
	{"vhd", false, false, newVHD},
	{"qcow2", false, true, newQcow2},
	{"gcp", true, false, newGCP},
}

// Raw is the image as it is.
func Raw() *Format { return formats[0] }

// Names lists the names of all formats.
func Names() (names []string) {
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return names
}

// ByName returns the format of that name.
func ByName(name string) (*Format, error) {
	i := slices.IndexFunc(formats, func(f *Format) bool { return f.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("format %q: none of %s", name, strings.Join(Names(), ", "))
	}
	return formats[i], nil
}

// raw is a file that holds the image.
type raw struct{ f File }

func newRaw(f File, size int64) (Writer, error) { return raw{f}, f.Truncate(size) }

func (r raw) Write(p []byte, off int64) error { return r.f.WriteSparse(p, off) }
func (r raw) Close() error                    { return nil }
