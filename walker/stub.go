package walker

import (
	"context"
	"errors"
	"os"
)

type mode int

type Action string

const (
	Crossed Action = "crossed"
	LeftOut Action = "left out"
	Refused Action = "refused"
)

type Mount struct {
	ID, Parent   int
	Path         string
	FSType       string
	Source       string
	Root         string
	Major, Minor int
	Action       Action
	Reason       string
}

func Mounts(source string, opt Options) ([]Mount, error) { return nil, errors.ErrUnsupported }

func Walk(ctx context.Context, source string, opt Options, fn func(*Entry) error) (*Tree, error) {
	return nil, errors.ErrUnsupported
}

func (t *Tree) Open(path string) (*os.File, error) { return nil, errors.ErrUnsupported }
func (t *Tree) Close() error                       { return nil }
