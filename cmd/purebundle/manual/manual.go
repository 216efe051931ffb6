package manual

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed *.md
var files embed.FS

// Page is one page.
type Page struct {
	Topic   string // "s3": the page is purebundle-s3
	Section int    // 5: a format; 7: what concerns several commands
	Short   string // what it is about, as after the name in NAME
	blocks  []block
}

// All returns the pages, by topic.
func All() []Page {
	names, _ := files.ReadDir(".") // of a file system in memory: no error
	var pages []Page
	for _, name := range names {
		text, _ := files.ReadFile(name.Name())
		p, err := parsePage(string(text))
		if err != nil || p.Topic+".md" != name.Name() {
			panic(fmt.Sprintf("manual %s: %v", name.Name(), err)) // a mistake of ours, which each test meets
		}
		pages = append(pages, p)
	}
	return pages
}

// Find returns the page of a topic, which may be written with "purebundle-" in front.
func Find(topic string) (Page, bool) {
	pages := All()
	i := slices.IndexFunc(pages, func(p Page) bool { return p.Topic == strings.TrimPrefix(topic, "purebundle-") })
	if i < 0 {
		return Page{}, false
	}
	return pages[i], true
}

// Name returns what man knows the page by: "purebundle-s3".
func (p Page) Name() string { return "purebundle-" + p.Topic }

// File returns the name of the page's file: "purebundle-s3.7".
func (p Page) File() string { return fmt.Sprintf("%s.%d", p.Name(), p.Section) }

// parsePage reads a page. Its first line is "# purebundle-TOPIC(SECTION): what it is about".
func parsePage(text string) (p Page, err error) {
	head, rest, _ := strings.Cut(text, "\n")
	name, short, found := strings.Cut(head, "): ")
	topic, section, of := strings.Cut(strings.TrimPrefix(name, "# purebundle-"), "(")
	if !found || !of || !strings.HasPrefix(name, "# purebundle-") || section != "5" && section != "7" {
		return p, fmt.Errorf("%q is no title", head)
	}
	return Page{Topic: topic, Section: int(section[0] - '0'), Short: short, blocks: parse(rest)}, nil
}
