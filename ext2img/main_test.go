package ext2img_test

import (
	"os"
	"testing"

	"purebundle/ext2img/imgtest"
)

// TestMain runs the tests of root in a mount namespace of their own.
func TestMain(m *testing.M) {
	if status, done := imgtest.OwnMounts(); done {
		os.Exit(status)
	}
	os.Exit(m.Run())
}
