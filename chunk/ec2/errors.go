package ec2

import (
	"errors"
	"io/fs"

	"purebundle/chunk"
)

// cause is an error without a path; as a string it can be a constant.
type cause string

func (c cause) Error() string { return string(c) }

// Causes that a caller may tell apart with errors.Is, besides chunk.ErrExists,
// chunk.ErrBusy and chunk.ErrDamaged.
const (
	// ErrKey: the private key or certificate does not belong to this bundle.
	ErrKey cause = "does not belong to this bundle"
	// ErrSignature: the manifest is not what was signed.
	ErrSignature cause = "the signature does not fit"
)

// fail makes a *chunk.Error of err; one that is one already passes unchanged.
func fail(op, path string, err error) error {
	return hinted(op, path, err, "")
}

func hinted(op, path string, err error, hint string) error {
	var known *chunk.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &chunk.Error{Op: op, Path: path, Err: err, Hint: hint}
}
