package create

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/ext2img"
	"purebundle/walker/volume"
)

// TestName gives an image what is known of the names of its source, and warns of
// what is not.
func TestName(t *testing.T) {
	old, fresh := [16]byte{1}, [16]byte{2}
	for name, c := range map[string]struct {
		id          volume.Names
		err         error
		uuid        [16]byte
		label       string
		notes, word string
	}{
		"both":                {id: volume.Names{Label: "sixteen-letters!", UUID: old}, uuid: old, label: "sixteen-letters!"},
		"a long label":        {id: volume.Names{Label: "seventeen-letters", UUID: old}, uuid: old, notes: "label", word: "--label"},
		"no root":             {err: volume.ErrNone, uuid: fresh},
		"no UUID":             {uuid: fresh},
		"not told":            {err: fmt.Errorf("/: %w", unix.ENOTTY), uuid: fresh, notes: "uuid", word: "root="},
		"device out of reach": {err: errors.New("open /dev/vda: operation not permitted"), uuid: fresh, notes: "uuid", word: "/dev/vda"},
	} {
		p := ext2img.Params{UUID: fresh}
		n := takeNames(&p, c.id, c.err)
		if p.UUID != c.uuid || p.Label != c.label {
			t.Errorf("%s: %x, %q", name, p.UUID, p.Label)
		}
		if (n.UUID != "") != (c.notes == "uuid") || (n.Label != "") != (c.notes == "label") || !strings.Contains(n.UUID+n.Label, c.word) {
			t.Errorf("%s: %+v", name, n)
		}
	}
}
