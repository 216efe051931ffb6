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

// element is an element of a document with elements or text in it, never both.
type element struct {
	name     string
	attrs    map[string]string
	text     string
	children []*element
	raw      []byte // its bytes in the document, tags included
}

// parseXML reads a document of one element. Declarations of types, and text
// beside elements, are errors: a manifest has none.
func parseXML(data []byte) (*element, error) {
	dec := xml.NewDecoder(bytes.NewReader(data))
	dec.CharsetReader = func(charset string, r io.Reader) (io.Reader, error) {
		if strings.EqualFold(charset, "us-ascii") || strings.EqualFold(charset, "iso-8859-1") && bytes.IndexFunc(data, notASCII) < 0 {
			return r, nil
		}
		return nil, fmt.Errorf("is in the character set %q, not in UTF-8", charset)
	}
	var root *element
	var stack []*element
	var starts []int64
	for {
		start := dec.InputOffset()
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("is no XML: %w", err)
		}
		switch tok := token.(type) {
		case xml.StartElement:
			e, err := newElement(tok)
			if err != nil {
				return nil, err
			}
			switch {
			case len(stack) > 0:
				top := stack[len(stack)-1]
				if strings.TrimSpace(top.text) != "" {
					return nil, fmt.Errorf("has text beside elements in <%s>", top.name)
				}
				top.children = append(top.children, e)
			case root != nil:
				return nil, fmt.Errorf("has a second document, <%s>", e.name)
			default:
				root = e
			}
			if len(stack) == maxDepth {
				return nil, fmt.Errorf("has elements more than %d deep", maxDepth)
			}
			stack, starts = append(stack, e), append(starts, start)
		case xml.EndElement:
			top := stack[len(stack)-1]
			top.raw = data[starts[len(starts)-1]:dec.InputOffset()]
			stack, starts = stack[:len(stack)-1], starts[:len(starts)-1]
		case xml.CharData:
			text := string(tok)
			if len(stack) == 0 || len(stack[len(stack)-1].children) > 0 {
				if strings.TrimSpace(text) != "" {
					return nil, fmt.Errorf("has text beside elements")
				}
				continue
			}
			stack[len(stack)-1].text += text
		case xml.Directive:
			return nil, fmt.Errorf("has a document type, which no manifest has")
		}
	}
	if root == nil {
		return nil, fmt.Errorf("is empty")
	}
	return root, nil
}

func notASCII(r rune) bool { return r >= 0x80 }

func newElement(tok xml.StartElement) (*element, error) {
	e := &element{name: tok.Name.Local, attrs: make(map[string]string)}
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

// need is child for one that must be there; if it is not, it returns an empty element.
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
	return strings.TrimSpace(c.text)
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
		out = append(out, strings.TrimSpace(e.text))
	}
	return out
}
