package cli

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

func TestPrintError(t *testing.T) {
	cause := errors.New("no such device")
	err := WithHint(fmt.Errorf("open /dev/x: %w", cause), "look for it")
	for _, c := range []struct {
		name    string
		verbose bool
		want    string
	}{
		{"short", false, "purebundle: open /dev/x: no such device\nhint: look for it\n"},
		{"verbose", true, "purebundle: open /dev/x: no such device\nhint: look for it\n  because (*errors.errorString): no such device\n"},
	} {
		var out bytes.Buffer
		printError(&out, err, c.verbose)
		if out.String() != c.want {
			t.Errorf("%s: got %q, want %q", c.name, out.String(), c.want)
		}
	}
}
