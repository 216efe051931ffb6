package cli

import (
	"testing"
)

func TestRoff(t *testing.T) {
	for in, want := range map[string]string{
		"a-b": `a\-b`, `\x`: `\ex`, ".start": `\&.start`, "'q": `\&'q`, "a\n.b": "a\n\\&.b",
	} {
		if got := roff(in); got != want {
			t.Errorf("roff(%q) = %q, want %q", in, got, want)
		}
	}
}
