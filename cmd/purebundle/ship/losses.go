package ship

import (
	"fmt"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/create"
)

// losses are the entries that a bundle lacks, by its manifest.
type losses struct {
	list  []create.Loss
	more  int // that the lists had no room for
	paths map[chunk.Path]bool
	owned map[uint32]int // those of each owner
}

func lossesOf(m *chunk.Manifest) losses {
	l := losses{list: create.Losses(m), paths: map[chunk.Path]bool{}, owned: map[uint32]int{}}
	for _, loss := range l.list {
		l.paths[loss.Path] = true
		if loss.UID != nil {
			l.owned[*loss.UID]++
		}
	}
	if m.Omitted != nil {
		l.more = m.Omitted.Lost
	}
	return l
}

// beyond names something that is lost here and was not in an older bundle, "" if
// there is nothing. An entry of root, or of nobody knows whom, is looked for by its
// path. Other owners can lose what they like under another name each night: of
// theirs, no more may be lost than before.
func (l losses) beyond(older losses) string {
	for _, loss := range l.list {
		switch {
		case older.paths[loss.Path]:
		case loss.UID == nil || *loss.UID == 0 || l.owned[*loss.UID] > older.owned[*loss.UID]:
			return string(loss.Path)
		}
	}
	if l.more > older.more {
		return fmt.Sprintf("%d entries that are not listed", l.more)
	}
	return ""
}
