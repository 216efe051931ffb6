package cli

import (
	"path/filepath"
)

// Absolute returns path as seen from the root, or path itself if the working
// directory is gone.
func Absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
