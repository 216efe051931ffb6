package chunk

import (
	"testing"

	"purebundle/chunk/dir"
)

// onChange has fn called before each change of the directory of w.
func onChange(w *Writer, fn func(op, name string) error) { w.stage.(*dir.Stage).OnChange(fn) }

// settle does what the next run in a directory does first.
func settle(t testing.TB, path string, fn func(op, name string) error) {
	t.Helper()
	s, err := dir.Begin(path, dir.Options{Group: "other", Last: "other", OnChange: fn})
	must(t, err)
	s.OnChange(nil)
	must(t, s.Abort())
}

// The names that a run uses on disk.
func tempName(name string) string          { return "." + name + ".purebundle-new" }
func backupName(name string) string        { return "." + name + ".purebundle-old" }
func journalName(prefix string) string     { return "." + prefix + ".purebundle-commit" }
func joinTemp(name string) string          { return "." + name + ".purebundle-join" }
func partTemp(prefix string, i int) string { return tempName(partKey(prefix, i)) }

// page is the grain of holes, in bytes.
const page = 4096
