package main

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"purebundle/cmd/purebundle/words"
)

// textsCommand does "bench texts REPORT FILE...": the tables of each Markdown file get the
// figures of a report, which is what "make bench" prints.
func textsCommand(args []string) error {
	if len(args) < 2 {
		return errors.New("texts REPORT FILE...: a report of all trees, and what has tables with its figures")
	}
	report, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	figures := readReport(string(report))
	for _, name := range args[1:] {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		filled, _, err := figures.fill(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(name, []byte(filled), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// figures holds what a report says.
type figures struct {
	runs    map[[3]string][2]string // wall time in seconds and peak RSS in MiB, by contest, tree and program
	reached map[string]string       // by what is to be reached
	limits  map[string]string
	sizes   map[string]string // of trees, by letter: "13,721 entries, 763 MiB"
}

// unmeasured stands in a text for a figure that no report had yet.
const unmeasured = "–"

// cells returns those of a row of a table, nil of any other line.
func cells(line string) []string {
	if !strings.HasPrefix(line, "| ") {
		return nil
	}
	list := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// treeLine matches what a report says of a tree, treeSize the same in a text.
var (
	treeLine = regexp.MustCompile(`^(\w+): .*; (\d{1,15}) entries, ([0-9.]+) MiB of file data\.$`)
	treeSize = regexp.MustCompile(`\d[\d,]* entries, [0-9.]+ MiB`)
)

// readReport reads what report has printed.
func readReport(text string) figures {
	f := figures{map[[3]string][2]string{}, map[string]string{}, map[string]string{}, map[string]string{}}
	contest := ""
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(line, "### "); ok {
			contest = strings.TrimSpace(title)
		}
		if m := treeLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			entries, _ := strconv.ParseInt(m[2], 10, 64) // digits alone
			f.sizes[m[1]] = words.Count(entries) + " entries, " + m[3] + " MiB"
		}
		switch row := cells(line); len(row) {
		case 8:
			f.runs[[3]string{contest, row[0], row[1]}] = [2]string{row[2], row[4]}
		case 4:
			f.reached[row[0]], f.limits[row[0]] = row[2], row[1]
		}
	}
	return f
}

// timed says whose time a row of a text tells: how it begins, the contest, the tree, and
// the program, if it is not just purebundle.
var timed = []struct{ row, contest, tree, program string }{
	{"A: ", "A, hot", "A", ""}, {"a Debian root, ", "A, hot", "A", ""}, {"A, cold", "A, cold", "A", ""},
	{"A with `--size 100G`", "A, hot", "A", "purebundle --size 100G"},
	{"B: ", "B and E", "B", ""}, {"200,000 small files", "B and E", "B", ""},
	{"C: ", "C", "C", ""}, {"the same in 1,000 directories", "C", "C1", ""},
	{"D: ", "D", "D", ""}, {"E: ", "B and E", "E", ""}, {"1,000,000 files in tiny pieces", "B and E", "E", ""}, {"F: ", "F", "F", ""},
}

// columns maps the head of a column to the program that it is about.
var columns = map[string]string{
	"purebundle": "purebundle", "peak RSS": "purebundle", "floor": floorSynced, "`mke2fs -d` alone": mke2fsAlone,
	"with split and sha256sum": mke2fsSplit, "with split, sha256sum": mke2fsSplit, "rsync recipe": rsyncRecipe, "rsync, loop mount, split, sha256sum": rsyncRecipe,
}

// aims maps a row of a text to what a report says is to be reached.
var aims = map[string]string{
	"A, wall time against the floor": "A: wall against the floor", "A against `mke2fs -d` alone": "A: wall against mke2fs -d alone",
	"A against `mke2fs -d`, split, sha256sum": "A: wall against mke2fs -d, split, sha256sum", "A against the rsync recipe": "A: wall against the rsync recipe",
	"A with `--size 100G` against auto size": "A: --size 100G against auto size", "A, `--dry-run`, seconds": "A: --dry-run, start to first part",
	"B against the floor": "B: wall against the floor", "B against `mke2fs -d` alone": "B: wall against mke2fs -d alone",
	"C against the same files in 1,000 directories": "C: wall against the same files in 1,000 directories", "D against the floor": "D: wall against the floor",
	"E, time an entry against B's": "E: time an entry against B's", "`verify` against `openssl dgst` of the parts": "A: verify against openssl dgst of the parts",
	"4 GiB straight to S3 (on loopback), against `bundle` to disk, then one PutObject after another": "G: wall straight to S3 against disk first, then one by one",
	"its peak RSS above that of the walk, in MiB":                                                    "G: peak RSS straight to S3 above that of the walk (--dry-run) in MiB",
	"A, bytes read against file data":                                                                "A: bytes read against file data", "A, bytes written against non-zero bytes of the image": "A: bytes written against non-zero bytes of the image",
	"4 GiB straight to EBS, against `bundle` to disk, then one PutSnapshotBlock after another": "G: wall straight to EBS against disk first, then block by block",
	"`mounts` of 30,000 mounts, time a mount against half as many":                             "M: mounts, time a mount against half as many",
	"`--dry-run` of them, the same":                                                            "M: --dry-run, time a mount against half as many",
	"a second bundle of A, nothing changed, against a first":                                   "J, nothing changed in A: wall against a first bundle",
	"the same of A, B and D in one tree":                                                       "J, nothing changed in A, B and D: wall against a first bundle",
	"the same, cold":                                                                           "J, nothing changed in A, B and D, cold: wall against a first bundle",
	"a second bundle of a Debian with PostgreSQL, nothing changed, against a first":            "I, nothing changed: wall against a first bundle",
	"its bytes of files read":                                                                  "I, nothing changed: bytes of files read",
	"its blocks of 512 KiB that differ":                                                        "I, nothing changed: blocks of 512 KiB that differ",
	"blocks that differ after a file of 5 kB more":                                             "I, a file of 5 kB more: blocks of 512 KiB that differ",
	"blocks that differ after a day of logs":                                                   "I, a day of logs: blocks of 512 KiB that differ",
	"those that must: what went is not kept":                                                   "I, a day of logs: least blocks: new data, and freed places made zero",
	"blocks that differ after apt upgrade of 29 packages":                                      "I, apt upgrade: blocks of 512 KiB that differ",
	"those that must, likewise":                                                                "I, apt upgrade: least blocks: new data, and freed places made zero",
	"A, peak RSS in MiB":                                                                       "A: peak RSS in MiB", "B, peak RSS in MiB": "B: peak RSS in MiB", "C, peak RSS in MiB": "C: peak RSS in MiB", "E, peak RSS in MiB": "E: peak RSS in MiB",
}

// planted maps what rows about a planted tree begin with to its letter.
var planted = map[string]string{
	"10,000 directories in one another": "H1", "250,000 symbolic links to 4,000 bytes": "H2", "1,000,000 names of 255 bytes": "H3",
	"2,000,000 links in one directory": "H4", "100,000 names that the filter takes": "H5", "100,000 files with attributes of 3,900 bytes": "H6",
}

// aim returns what of a report a row is about, if it is one of those to be reached.
func aim(row string) (key string, ok bool) {
	if key, ok = aims[row]; ok {
		return key, true
	}
	name, figure, _ := strings.Cut(row, ", ")
	letter, ok := planted[name]
	return letter + ": " + figure, ok
}

// fill returns a text whose tables have these figures, and how many it has put there.
// A figure that the report lacks is an error; a cell that is empty stays so.
func (f figures) fill(text string) (filled string, count int, err error) {
	var head []string
	var b strings.Builder
	for line := range strings.Lines(text) {
		row := cells(line)
		switch {
		case row == nil:
			if !strings.HasPrefix(line, "|") {
				head = nil
			}
		case head == nil:
			head = row
		default:
			n, err := f.row(head, row)
			if err != nil {
				return "", 0, err
			}
			if n > 0 {
				line = "| " + strings.Join(row, " | ") + " |\n"
				line = strings.ReplaceAll(strings.ReplaceAll(line, "|  |", "| |"), "|  |", "| |")
			}
			count += n
		}
		b.WriteString(line)
	}
	return b.String(), count, nil
}

// row puts the figures into one row, and returns how many.
func (f figures) row(head, row []string) (count int, err error) {
	if key, ok := aim(row[0]); ok && head[0] == "what" {
		if f.reached[key] == "" && row[2] == unmeasured {
			return 0, nil
		}
		if f.reached[key] == "" {
			return 0, fmt.Errorf("%s: the report has no %q", row[0], key)
		}
		row[1], row[2] = f.limits[key], f.reached[key]
		return 2, nil
	}
	if !strings.HasPrefix(head[0], "tree") {
		return 0, nil
	}
	i := slices.IndexFunc(timed, func(t struct{ row, contest, tree, program string }) bool { return strings.HasPrefix(row[0], t.row) })
	if i < 0 {
		return 0, fmt.Errorf("%s: no figures are known for this row", row[0])
	}
	if size := f.sizes[timed[i].tree]; size != "" {
		row[0] = treeSize.ReplaceAllLiteralString(row[0], size)
	}
	for c := 1; c < len(row); c++ {
		program, known := columns[head[c]]
		if row[c] == "" || !known {
			continue
		}
		if program == "purebundle" && timed[i].program != "" {
			program = timed[i].program
		}
		run, ok := f.runs[[3]string{timed[i].contest, timed[i].tree, program}]
		switch {
		case !ok:
			return 0, fmt.Errorf("%s, %s: the report has no %q of tree %s in %q", row[0], head[c], program, timed[i].tree, timed[i].contest)
		case head[c] == "peak RSS":
			row[c] = run[1] + " MiB"
		case regexp.MustCompile(` s, \d+ MiB$`).MatchString(row[c]):
			row[c] = run[0] + " s, " + run[1] + " MiB"
		default:
			row[c] = run[0] + " s"
		}
		count++
	}
	return count, nil
}
