package imgtest

import (
	"os"
	"testing"
)

// OpenImage opens an image for reading until the test ends, and returns its size in bytes.
func OpenImage(t testing.TB, image string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, st.Size()
}

// Patch changes bytes of an image at an offset in bytes.
func Patch(t testing.TB, image string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}
