package manual

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

const sample = `# purebundle-x(7): an example

Two lines
of *one* paragraph, with ` + "`code`" + ` and **bold** and [a link](to.md).

## Heading

- first
  goes on
- second

| head | one | two |
|---|---|---|
| a | b | |
| c \| d | | e |

` + "```sh" + `
  .kept as it is

# here, too
` + "```" + `
`

// Every sort of block is shown as it should be, on a terminal and by man.
func TestForms(t *testing.T) {
	p, err := parsePage(sample)
	if err != nil || p.File() != "purebundle-x.7" || p.Short != "an example" {
		t.Fatalf("%+v, %v", p, err)
	}
	var text, roff strings.Builder
	if err := p.Write(&text, 40); err != nil {
		t.Fatal(err)
	}
	want := `purebundle-x - an example

  Two lines of *one* paragraph, with
  code and bold and a link.

HEADING

  - first goes on
  - second

  a
      one: b
  c | d
      two: e

      .kept as it is

    # here, too
`
	if text.String() != want {
		t.Errorf("got\n%s", text.String())
	}
	if err := p.WriteRoff(&roff, "1-x"); err != nil {
		t.Fatal(err)
	}
	head, tail, _ := strings.Cut(roff.String(), ".SH SEE ALSO\n")
	want = `.TH PUREBUNDLE\-X 7 "" "purebundle 1\-x" "Miscellaneous Information"
.SH NAME
purebundle\-x \- an example
.SH DESCRIPTION
.PP
Two lines of *one* paragraph, with \fBcode\fR and \fBbold\fR and a link.
.SH HEADING
.IP \(bu 2
first goes on
.IP \(bu 2
second
.TP
a
one: b
.TP
c | d
two: e
.PP
.EX
  .kept as it is

# here, too
.EE
`
	if head != want || !strings.Contains(tail, `.BR purebundle\-format (5)`) {
		t.Errorf("got\n%s", roff.String())
	}
}

func TestSpans(t *testing.T) {
	for in, want := range map[string][]span{
		"":                     nil,
		"a":                    {{0, "a"}},
		"a `b` c":              {{0, "a "}, {'c', "b"}, {0, " c"}},
		"**b**":                {{'b', "b"}},
		"a * b":                {{0, "a "}, {0, "*"}, {0, " b"}},
		"`open":                {{0, "`"}, {0, "open"}},
		"[words](there) [x]":   {{0, "words"}, {0, " "}, {0, "["}, {0, "x]"}},
		"[`code`](there)":      {{'c', "code"}},
		"`[a-z]` or `**`, `*`": {{'c', "[a-z]"}, {0, " or "}, {'c', "**"}, {0, ", "}, {'c', "*"}},
	} {
		if got := spans(in); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestTitles(t *testing.T) {
	for _, bad := range []string{"", "# purebundle-x(7)\n", "purebundle-x(7): y\n", "# purebundle-x(8): y\n", "# x(7): y\n"} {
		if p, err := parsePage(bad); err == nil {
			t.Errorf("%q: %+v", bad, p)
		}
	}
}

// Every page is shown whole: no mark of Markdown stays, no line but kept ones is too
// long, no word is lost.
func TestPages(t *testing.T) {
	for _, p := range All() {
		if found, ok := Find(p.Name()); !ok || found.Topic != p.Topic {
			t.Errorf("%s is not found", p.Name())
		}
		var text, roff strings.Builder
		_ = p.Write(&text, 72)
		_ = p.WriteRoff(&roff, "1")
		for line := range strings.Lines(text.String()) {
			if !strings.HasPrefix(line, "    ") && utf8.RuneCountInString(line) > 73 && strings.Contains(strings.TrimSpace(line), " ") && !strings.HasPrefix(line, p.Name()) {
				t.Errorf("%s: %d columns: %s", p.Topic, utf8.RuneCountInString(line), line)
			}
			if strings.Contains(line, "```") || strings.Contains(line, "](") || strings.HasPrefix(strings.TrimSpace(line), "|") && !strings.Contains(line, "finishing") {
				t.Errorf("%s: marks stay: %s", p.Topic, line)
			}
		}
		if got, blocks := strings.Count(roff.String(), "\n"), len(p.blocks); got < blocks || blocks < 3 {
			t.Errorf("%s: %d lines of %d blocks", p.Topic, got, blocks)
		}
	}
	if _, ok := Find("nothing"); ok {
		t.Error("nothing is found")
	}
}
