package look

import (
	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
)

// partsShown shows how far the reading of a bundle has come.
type partsShown struct{ *progress.UI }

// showParts starts showing the parts of b as they pass.
func showParts(a *cli.App, mode progress.Mode, b *chunk.Bundle, p progress.Phase) partsShown {
	show := partsShown{a.Show(mode)}
	show.AllBytes.Store(b.Size())
	show.AllParts.Store(int64(len(b.Manifest().Parts)))
	show.Begin(p)
	return show
}

// made counts one part.
func (p partsShown) made(int) {
	p.Parts.Add(1)
	p.Bytes.Add(chunk.Size)
}
