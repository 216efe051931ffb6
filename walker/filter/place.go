package filter

import "strings"

// Class groups places by what they give away. Classes are bits.
type Class uint8

const (
	Secrets   Class = 1 << iota // credentials and private keys
	Histories                   // what people typed, and editors' leftovers
	Identity                    // what only one machine may have
	Logs                        // what happened on the machine

	None Class = 1 << 7 // of a Choice: no class, not even the default ones
)

// Where says what the paths of a Place are relative to.
type Where uint8

const (
	Root Where = iota // the directory of a root
	Home              // a home directory
	Any               // every directory
)

// Take says what of a place is left out.
type Take uint8

const (
	File     Take = iota // what has the name, unless it is a directory
	Regular              // a regular file
	Name                 // what has the name; of a directory all that is in it, too
	Contents             // of a regular file its bytes, so that an empty one stays
	HostKey              // a file, if something in the root makes a new one at boot
	Login                // a file, from an image to be given away; in any other it stays, which is told
	Keyfile              // a file, unless it is a connection of NetworkManager's without a secret in it
	Nothing              // an exception: what has the name stays, whatever a place behind it says
)

// Place is what the filter knows: paths that hold the same kind of thing. Paths are patterns of package pattern without a slash in front.
type Place struct {
	Class  Class
	Where  Where
	Take   Take
	Reason string // "" for an exception
	Paths  []string
}

// Patterns returns the paths as patterns of package pattern, anchored unless they hold in every directory.
func (p *Place) Patterns() []string {
	var all []string
	for _, text := range p.Paths {
		rest, deep := strings.CutPrefix(text, "**/")
		switch {
		case p.Where == Any:
			all = append(all, text)
		case deep: // "/**/x" would be "x" in every directory, also of those above
			all = append(all, "/"+rest, "/*/**/"+rest)
		default:
			all = append(all, "/"+text)
		}
	}
	return all
}

// Table returns all places. Of two that match a name the first counts.
func Table() []Place {
	var all []Place
	for _, part := range [][]Place{secrets(), histories(), identity(), logs()} {
		all = append(all, part...)
	}
	return all
}
