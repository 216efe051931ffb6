package look

import (
	"io"
	"strings"

	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
)

// mountNode is a mount with those that lie below it.
type mountNode struct {
	walker.Mount
	below []*mountNode
}

// mountTree arranges mounts, of which the first is SOURCE's own, by their paths.
func mountTree(mounts []walker.Mount) *mountNode {
	root := &mountNode{Mount: mounts[0]}
	for _, m := range mounts[1:] {
		at := root
	down:
		for {
			for _, n := range at.below {
				if strings.HasPrefix(m.Path, n.Path+"/") {
					at = n
					continue down
				}
			}
			break
		}
		// What lies below the new one came before it, if the mounts are in another order.
		node, stay := &mountNode{Mount: m}, at.below[:0:0]
		for _, n := range at.below {
			if strings.HasPrefix(n.Path, m.Path+"/") {
				node.below = append(node.below, n)
			} else {
				stay = append(stay, n)
			}
		}
		at.below = append(stay, node)
	}
	return root
}

// write draws a mount and those below it in so many columns. first stands before its
// first line, rest before the others, above is the path that its own is shown from.
func (n *mountNode) write(w io.Writer, columns int, first, rest, above string) error {
	name := n.Path
	if above != "" {
		name = strings.TrimPrefix(strings.TrimPrefix(n.Path, strings.TrimSuffix(above, "/")), "/")
	}
	text := words.Printable(name) + " (" + words.Printable(n.FSType) + ") " + string(n.Action) + ": " + words.Printable(n.Reason)
	continued := rest + "  "
	if len(n.below) > 0 {
		continued = rest + "│ "
	}
	for _, line := range words.Fold(text, max(20, columns-len([]rune(continued)))) {
		if _, err := io.WriteString(w, first+line+"\n"); err != nil {
			return err
		}
		first = continued
	}
	for i, b := range n.below {
		branch, more := "├─ ", "│  "
		if i == len(n.below)-1 {
			branch, more = "└─ ", "   "
		}
		if err := b.write(w, columns, rest+branch, rest+more, n.Path); err != nil {
			return err
		}
	}
	return nil
}
