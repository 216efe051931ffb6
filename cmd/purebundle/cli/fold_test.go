package cli

import (
	"slices"
	"strings"
	"testing"
)

// A page is folded between words, what belongs together stays so, and commands stay whole.
func TestFoldPage(t *testing.T) {
	const page = `Bundle the live tree SOURCE into an ext4 image, cut into
parts, in DEST:

  PREFIX.part.NNN        the image; cat PREFIX.part.* is the whole of it
  short

Usage:
  purebundle bundle [flags] SOURCE DEST and more than fits

What goes in:
  -e, --exclude PATTERN   leave out what matches PATTERN, and all that is
                          below it; repeatable
      indented without a second column, and long as well

Exit status:
  3  done, but something that belongs in the image is not in it
`
	for width := 1; width < 100; width++ {
		folded := foldPage(page, width)
		if !slices.Equal(strings.Fields(folded), strings.Fields(page)) {
			t.Fatalf("%d columns: other words:\n%s", width, folded)
		}
		for _, whole := range []string{"\n  purebundle bundle [flags] SOURCE DEST and more than fits\n", "\n\nWhat goes in:\n"} {
			if width >= 20 && !strings.Contains(folded, whole) {
				t.Errorf("%d columns: no %q:\n%s", width, whole, folded)
			}
		}
		for line := range strings.Lines(folded) {
			if width >= 50 && !fits(line, width) && !strings.Contains(line, "DEST and more") {
				t.Errorf("%d columns: %s", width, line)
			}
		}
	}
	for _, want := range []string{
		"  PREFIX.part.NNN        the image; cat PREFIX.part.* is the\n                         whole of it\n  short\n",
		"  -e, --exclude PATTERN   leave out what matches PATTERN,\n                          and all that is below it;\n                          repeatable\n",
		"\n  3  done, but something that belongs in the image is not in\n     it\n",
	} {
		if folded := foldPage(page, 60); !strings.Contains(folded, want) {
			t.Errorf("60 columns: no\n%s in\n%s", want, folded)
		}
	}
}
