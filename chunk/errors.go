package chunk

import "purebundle/chunk/dir"

// The errors of places are the same for all of them.
type (
	// Error is every error with a path, but for *SpaceError.
	Error = dir.Error
	// SpaceError says that a bundle cannot fit.
	SpaceError = dir.SpaceError
	// LeftoverError says that the new bundle is in place and whole, but that files
	// of the one it replaced could not be removed. The next run there tries again.
	LeftoverError = dir.LeftoverError
	// UncleanError says that a run failed and that what it had made could not be removed.
	UncleanError = dir.UncleanError
)

// cause is an error without a path; as a string it can be a constant.
type cause = dir.Cause

// Causes that a caller may tell apart with errors.Is.
const (
	// ErrExists: what is to be made is there already and may not be replaced.
	ErrExists = dir.ErrExists
	// ErrBusy: another run works on the same output.
	ErrBusy = dir.ErrBusy
	// ErrNoBundle: there is no manifest of that name.
	ErrNoBundle cause = "no bundle"
	// ErrDamaged: the content is not what the manifest says.
	ErrDamaged cause = "is damaged"
)

// fail makes an *Error of the cause in err, with the hint that goes with it.
func fail(op, path string, err error) error { return dir.Fail(op, path, err) }

// Damaged returns the error for a file of a bundle that is not what the manifest says.
func Damaged(path string, err error) error {
	return &Error{Op: "verify", Path: path, Err: Damage(err), Hint: "get this part again from where the bundle was made"}
}

// Damage returns err as a cause that is also ErrDamaged.
func Damage(err error) error { return &damage{err} }

type damage struct{ err error }

func (d *damage) Error() string   { return d.err.Error() }
func (d *damage) Unwrap() []error { return []error{d.err, ErrDamaged} }
