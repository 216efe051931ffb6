package create

import (
	"purebundle/cmd/purebundle/cli"
)

// Abort removes what a run that failed has made. What cannot be removed is said
// with the error, which else promises that nothing is left.
func Abort(out interface{ Abort() error }, err error) error {
	left := out.Abort()
	switch {
	case left == nil:
		return err
	case err == nil:
		return left
	}
	return &cli.LeftError{Err: err, Left: left.Error()}
}

// abort does what Abort does, with the words that DEST has for it.
func (r *Run) abort(out interface{ Abort() error }, err error) error {
	if err == nil {
		return Abort(out, nil)
	}
	defer r.target().aborting()()
	return r.target().failed(Abort(out, err))
}
