package cli

import (
	"path/filepath"
)

// Absolute is path from the root, or path itself where the working directory is gone.
func Absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
