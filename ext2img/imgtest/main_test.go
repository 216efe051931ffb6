package imgtest

import (
	"os"
	"testing"
)

// TestMain runs the tests of root in a mount namespace of their own.
func TestMain(m *testing.M) {
	if status, done := OwnMounts(); done {
		os.Exit(status)
	}
	os.Exit(m.Run())
}
