package ec2

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// maxDepth bounds elements in one another.
const maxDepth = 8

// maxElements bounds the elements of a document. An image of 2 TiB has 209,716 parts,
// of three elements each.
const maxElements = 1 << 20

// element is an element of a document with elements or text in it, never both.
type element struct {
	name     string
	attrs    map[string]string
	text     []byte
	children []*element
	raw      []byte // its bytes in the document, tags included
}

// parseXML reads a document of one element. Declarations of types, comments,
// instructions, and text beside elements, are errors: a manifest has none.
func parseXML(data []byte) (*element, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") || strings.EqualFold(charset, "iso-8859-1") && bytes.IndexFunc(data, notASCII) < 0 {
			return r, nil
		}
		return nil, fmt.Errorf("is in the character set %q, not in UTF-8", charset)
	}
	document := new(element) // its one child is the root
	open := []*element{document}
	var starts []int64 // offsets of the tags that opened them, in bytes
	elements := 0
	for {
		start := dec.InputOffset()
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("is no XML: %w", err)
		}
		top := open[len(open)-1]
		switch tok := token.(type) {
		case xml.StartElement:
			if elements++; elements > maxElements {
				return nil, fmt.Errorf("has more than %d elements", maxElements)
			}
			e, err := top.add(tok, len(open)-1)
			if err != nil {
				return nil, err
			}
			open, starts = append(open, e), append(starts, start)
		case xml.EndElement:
			top.raw = data[starts[len(starts)-1]:dec.InputOffset()]
			open, starts = open[:len(open)-1], starts[:len(starts)-1]
		case xml.CharData:
			if len(open) > 1 && len(top.children) == 0 {
				top.text = append(top.text, tok...)
			} else if len(bytes.TrimSpace(tok)) > 0 {
				return nil, fmt.Errorf("has text beside elements")
			}
		case xml.Comment:
			return nil, fmt.Errorf("has a comment, which no manifest has")
		case xml.ProcInst:
			if tok.Target != "xml" {
				return nil, fmt.Errorf("has an instruction for %s, which no manifest has", tok.Target)
			}
		case xml.Directive:
			return nil, fmt.Errorf("has a document type, which no manifest has")
		}
	}
	if len(document.children) == 0 {
		return nil, fmt.Errorf("is empty")
	}
	return document.children[0], nil
}

// add adds the child that tok begins to e, which lies in depth elements; in none, e is
// the document.
func (e *element) add(tok xml.StartElement, depth int) (*element, error) {
	child, err := newElement(tok)
	switch {
	case err != nil:
		return nil, err
	case depth == 0 && len(e.children) > 0:
		return nil, fmt.Errorf("has a second document, <%s>", child.name)
	case len(bytes.TrimSpace(e.text)) > 0:
		return nil, fmt.Errorf("has text beside elements in <%s>", e.name)
	case depth == maxDepth:
		return nil, fmt.Errorf("has elements more than %d deep", maxDepth)
	}
	e.text = nil // else the white space would be looked at again for each child
	e.children = append(e.children, child)
	return child, nil
}

func notASCII(r rune) bool { return r >= 0x80 }

func newElement(tok xml.StartElement) (*element, error) {
	e := &element{name: tok.Name.Local}
	if len(tok.Attr) > 0 {
		e.attrs = make(map[string]string)
	}
	for _, a := range tok.Attr {
		if _, twice := e.attrs[a.Name.Local]; twice {
			return nil, fmt.Errorf("has the attribute %s twice in <%s>", a.Name.Local, e.name)
		}
		e.attrs[a.Name.Local] = a.Value
	}
	return e, nil
}

// fields reads the children of an element, each by name at most once, and
// remembers the first mistake.
type fields struct {
	of  *element
	err error
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

// child returns the one child of this name, nil if it has no such child.
func (f *fields) child(name string) *element {
	var found *element
	for _, c := range f.of.children {
		if c.name != name {
			continue
		}
		if found != nil {
			f.fail("has <%s> twice in <%s>", name, f.of.name)
		}
		found = c
	}
	return found
}

// need returns a child that must be there; if it is not, it notes the fault and
// returns an empty element.
func (f *fields) need(name string) *element {
	if c := f.child(name); c != nil {
		return c
	}
	f.fail("has no <%s> in <%s>", name, f.of.name)
	return &element{name: name}
}

// optional returns the text of a child, "" if it has no such child.
func (f *fields) optional(name string) string {
	c := f.child(name)
	if c == nil {
		return ""
	}
	if len(c.children) > 0 {
		f.fail("has elements in <%s>", name)
	}
	return string(bytes.TrimSpace(c.text))
}

// text returns the text of a child, which must be there.
func (f *fields) text(name string) string {
	s := f.optional(name)
	if s == "" {
		f.fail("has no <%s> in <%s>, or an empty one", name, f.of.name)
	}
	return s
}

// texts returns the texts of the children of child list, all called name.
func (f *fields) texts(list, name string) []string {
	c := f.child(list)
	if c == nil {
		return nil
	}
	var out []string
	for _, e := range c.children {
		if e.name != name || len(e.children) > 0 {
			f.fail("has <%s> in <%s>", e.name, list)
			continue
		}
		out = append(out, string(bytes.TrimSpace(e.text)))
	}
	return out
}
