package ship

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"purebundle/chunk/ec2/ami"
	"purebundle/cmd/purebundle/cli"
)

// A template is text with fields in braces, such as "web/{hostname}-{date}": the
// names that "ship" gives to bundles and images.
type template []token

// token is literal text, or the name of a field.
type token struct{ literal, field string }

// templateFields lists the fields in the order in which people are told of them. shape matches the values of one that differs from run to run; it is
// empty for what a machine keeps.
var templateFields = []struct{ name, shape string }{
	{"hostname", ""},
	{"date", `[0-9]{4}-[0-9]{2}-[0-9]{2}`},
	{"time", `[0-9]{6}`},
	{"uuid", `[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`},
}

// fieldShape returns the shape of a field, and whether there is such a field.
func fieldShape(name string) (shape string, known bool) {
	for _, f := range templateFields {
		if f.name == name {
			return f.shape, true
		}
	}
	return "", false
}

// parseTemplate reads a template. Braces stand for nothing but fields.
func parseTemplate(text string) (template, error) {
	var t template
	for rest := text; rest != ""; {
		open := strings.IndexAny(rest, "{}")
		if open < 0 {
			return append(t, token{literal: rest}), nil
		}
		if rest[open] == '}' {
			return nil, templateError(text, "a } without its {")
		}
		end := strings.IndexByte(rest[open:], '}')
		if end < 0 {
			return nil, templateError(text, "a { without its }")
		}
		field := rest[open+1 : open+end]
		if _, known := fieldShape(field); !known {
			return nil, templateError(text, fmt.Sprintf("unknown field {%s}", field))
		}
		if open > 0 {
			t = append(t, token{literal: rest[:open]})
		}
		t = append(t, token{field: field})
		rest = rest[open+end+1:]
	}
	return t, nil
}

// templateError lists the fields that there are.
func templateError(text, what string) error {
	var known []string
	for _, f := range templateFields {
		known = append(known, "{"+f.name+"}")
	}
	return cli.WithHint(cli.Usagef("ship: template %s: %s", text, what), "the fields are %s", strings.Join(known, ", "))
}

// FieldValues returns the values of a run: its time in UTC, a UUID of its own, and
// the machine's name with nothing in it that an object's key or an image's name
// cannot have.
func FieldValues(now time.Time) map[string]string {
	host, _ := os.Hostname()
	now = now.UTC()
	return map[string]string{
		"hostname": safeName(host),
		"date":     now.Format(time.DateOnly),
		"time":     now.Format("150405"),
		"uuid":     uuid.NewString(),
	}
}

// safeName keeps what object keys and names of images both take, and puts a
// hyphen for the rest. It is never empty, and nothing that a path gives a meaning.
func safeName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '-'
	}, s)
	if strings.Trim(s, ".") == "" {
		return "localhost"
	}
	return s
}

// expand puts the values in.
func (t template) expand(values map[string]string) string {
	var b strings.Builder
	for _, p := range t {
		if p.field != "" {
			b.WriteString(values[p.field])
		} else {
			b.WriteString(p.literal)
		}
	}
	return b.String()
}

// varies says whether two runs of one machine can have different names.
func (t template) varies() bool {
	for _, p := range t {
		if shape, _ := fieldShape(p.field); shape != "" {
			return true
		}
	}
	return false
}

// like matches what other runs of this machine made of the template, and nothing
// else: what does not vary must be as it is in values.
func (t template) like(values map[string]string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString(`\A`)
	for _, p := range t {
		shape, _ := fieldShape(p.field)
		switch {
		case shape != "":
			b.WriteString(shape)
		case p.field != "":
			b.WriteString(regexp.QuoteMeta(values[p.field]))
		default:
			b.WriteString(regexp.QuoteMeta(p.literal))
		}
	}
	b.WriteString(`\z`)
	return regexp.MustCompile(b.String())
}

// segments cuts the template at each "/": the directories of a path.
func (t template) segments() []template {
	list := []template{nil}
	for _, p := range t {
		if p.field != "" {
			list[len(list)-1] = append(list[len(list)-1], p)
			continue
		}
		for i, text := range strings.Split(p.literal, "/") {
			if i > 0 {
				list = append(list, nil)
			}
			if text != "" {
				list[len(list)-1] = append(list[len(list)-1], token{literal: text})
			}
		}
	}
	return list
}

// imageName expands the template of an image's name and checks what EC2 asks of it.
func (t template) imageName(values map[string]string) (string, error) {
	name := t.expand(values)
	if err := ami.CheckName(name); err != nil {
		return "", &cli.UsageError{Err: err}
	}
	return name, nil
}
