package s3test

import (
	"strings"
	"testing"
)

// setenv sets "NAME=value" lines for the rest of the test.
func setenv(t testing.TB, env []string) {
	t.Helper()
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
}
