package ext2img

import (
	"errors"
	"os"
)

// Builder collects the entries of a tree.
type Builder struct{ p Params }

func NewBuilder(p Params) *Builder                    { return &Builder{p: p} }
func (b *Builder) Add(path string, f File) error      { return errors.New("unfinished") }
func (b *Builder) Link(oldpath, newpath string) error { return errors.New("unfinished") }
func (b *Builder) Layout(open func(path string) (*os.File, error)) (*Image, error) {
	return nil, errors.New("unfinished")
}

// Image is an ext4 image.
type Image struct{}

func (m *Image) Size() int64                             { return 0 }
func (m *Image) Stats() Stats                            { return Stats{} }
func (m *Image) Parts() (data, meta []int)               { return nil, nil }
func (m *Image) ReadAt(p []byte, off int64) (int, error) { return 0, errors.New("unfinished") }
func (m *Image) Redo() []int                             { return nil }
func (m *Image) Seal() (Report, error)                   { return Report{}, nil }
