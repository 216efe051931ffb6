package cli

import (
	"strings"
	"unicode/utf8"

	"purebundle/cmd/purebundle/words"
)

// leastFolded is how narrow a column may become by folding, in columns.
const leastFolded = 20

// fits returns true if no line of text is longer than so many columns.
func fits(text string, width int) bool {
	for line := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > width {
			return false
		}
	}
	return true
}

// foldPage folds a help text between words, for a terminal of so many columns. Running text
// is folded as paragraphs; an indented line by itself, its second column below itself. What
// is under Usage and Examples stays as it is: a command can be copied whole.
func foldPage(text string, width int) string {
	var page strings.Builder
	var paragraph []string
	row := "" // an indented line, with those that go on in its second column
	flush := func() {
		if len(paragraph) > 0 {
			page.WriteString(strings.Join(words.Fold(strings.Join(paragraph, " "), width), "\n") + "\n")
		}
		if row != "" {
			page.WriteString(hanging(row, width))
		}
		paragraph, row = nil, ""
	}
	typed := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		indent := len(line) - len(strings.TrimLeft(line, " "))
		switch {
		case line == "" || typed && indent > 0:
			flush()
			page.WriteString(line + "\n")
		case indent == 0:
			if row != "" {
				flush()
			}
			typed = line == "Usage:" || line == "Examples:"
			paragraph = append(paragraph, line)
		case row != "" && indent == secondColumn(row):
			row += " " + line[indent:]
		default:
			flush()
			row = line
		}
	}
	flush()
	return page.String()
}

// secondColumn returns where the second column of an indented line begins, which two spaces
// set off; 0 if it has none.
func secondColumn(line string) int {
	first := len(line) - len(strings.TrimLeft(line, " "))
	gap := strings.Index(line[first:], "  ")
	if gap < 0 {
		return 0
	}
	return len(line) - len(strings.TrimLeft(line[first+gap:], " "))
}

// hanging folds an indented line: what goes on stands below its second column, or below
// its first, if it has no other.
func hanging(line string, width int) string {
	at := len(line) - len(strings.TrimLeft(line, " "))
	if second := secondColumn(line); second > 0 && second <= width-leastFolded {
		at = second
	}
	lines := words.Fold(line[at:], max(width-at, leastFolded))
	return line[:at] + strings.Join(lines, "\n"+strings.Repeat(" ", at)) + "\n"
}
