package chunk

// Error is every error of this package that has a path.
type Error struct {
	Op   string // what was being done, such as "write"
	Path string
	Err  error
	Hint string // one line: what to do about it; may be empty
}

func (e *Error) Error() string { return e.Op + " " + e.Path + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// errString is a cause that nothing branches on.
type errString string

func (e errString) Error() string { return string(e) }
