package manual

import (
	"strings"
)

// kind says what a block is.
type kind int

const (
	paragraph kind = iota
	heading        // of two or three #
	item           // of a list
	row            // of a table
	code           // lines that stay as they are
)

// block is one block of a page.
type block struct {
	kind  kind
	level int      // of a heading: 2 or 3
	text  string   // of all but rows; with spans, but for code
	cells []string // of a row
	names []string // of a row: the heads of its columns
	first bool     // of a row or an item: it begins the table or list
}

// parse cuts a page into blocks.
func parse(text string) []block {
	var blocks []block
	var names []string // of the table that is being read
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		last := func(k kind) *block {
			if n := len(blocks); n > 0 && blocks[n-1].kind == k && i > 0 && lines[i-1] != "" {
				return &blocks[n-1]
			}
			return nil
		}
		switch {
		case strings.HasPrefix(line, "```"):
			var kept []string
			for i++; i < len(lines) && lines[i] != "```"; i++ {
				kept = append(kept, lines[i])
			}
			blocks = append(blocks, block{kind: code, text: strings.Join(kept, "\n")})
		case strings.HasPrefix(line, "#"):
			title := strings.TrimLeft(line, "#")
			blocks = append(blocks, block{kind: heading, level: len(line) - len(title), text: strings.TrimSpace(title)})
		case strings.HasPrefix(line, "|---"):
		case strings.HasPrefix(line, "|"):
			cells := cellsOf(line)
			if i+1 < len(lines) && strings.HasPrefix(lines[i+1], "|---") {
				names = cells
				continue
			}
			blocks = append(blocks, block{kind: row, cells: cells, names: names, first: last(row) == nil})
		case strings.HasPrefix(line, "- "):
			blocks = append(blocks, block{kind: item, text: line[2:], first: last(item) == nil})
		case line == "":
		case last(paragraph) != nil:
			last(paragraph).text += " " + line
		case last(item) != nil && strings.HasPrefix(line, " "):
			last(item).text += " " + strings.TrimSpace(line)
		default:
			blocks = append(blocks, block{kind: paragraph, text: line})
		}
	}
	return blocks
}

// cellsOf returns the cells of a line of a table. "\|" within a cell is a bar.
func cellsOf(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(line), "|"), "|")
	line = strings.ReplaceAll(line, `\|`, "\x00")
	cells := strings.Split(line, "|")
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(c), "\x00", "|")
	}
	return cells
}

// rest returns what a row says of its first cell, in a sentence: a table of two columns
// says it in the second, one of more says which column each cell is of.
func (b block) rest() string {
	if len(b.cells) == 1 {
		return ""
	}
	var said []string
	for i, c := range b.cells[1:] {
		switch {
		case c == "":
		case len(b.cells) > 2 && i+1 < len(b.names) && b.names[i+1] != "":
			said = append(said, strings.TrimSuffix(b.names[i+1], ":")+": "+c)
		default:
			said = append(said, c)
		}
	}
	return strings.Join(said, "; ")
}

// span is a run of characters of one look.
type span struct {
	look byte // 0: as it is; 'c': code; 'b': bold
	text string
}

// spans cuts the text of a block. Of a link, the words stay.
func spans(text string) []span {
	var out []span
	for text != "" {
		i := strings.IndexAny(text, "`*[")
		switch {
		case i < 0:
			return append(out, span{0, text})
		case i > 0:
			out = append(out, span{0, text[:i]})
			text = text[i:]
		}
		switch {
		case text[0] == '`':
			if inside, after, found := strings.Cut(text[1:], "`"); found {
				out, text = append(out, span{'c', inside}), after
				continue
			}
		case strings.HasPrefix(text, "**"):
			if inside, after, found := strings.Cut(text[2:], "**"); found && inside != "" {
				out, text = append(out, span{'b', inside}), after
				continue
			}
		case text[0] == '[':
			words, after, found := strings.Cut(text[1:], "](")
			_, after, closed := strings.Cut(after, ")")
			if found && closed && !strings.Contains(words, "]") {
				out, text = append(out, spans(words)...), after
				continue
			}
		}
		out, text = append(out, span{0, text[:1]}), text[1:]
	}
	return out
}

// plain returns the text of a block without its marks.
func plain(text string) string {
	var b strings.Builder
	for _, s := range spans(text) {
		b.WriteString(s.text)
	}
	return b.String()
}
