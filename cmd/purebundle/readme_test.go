package main

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/look"
	"purebundle/cmd/purebundle/manual"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/ship"
	"purebundle/ext2img"
)

// texts returns the README and the pages of the manual, by the name of their file.
func texts(t *testing.T) map[string]string {
	t.Helper()
	names, err := filepath.Glob("manual/*.md")
	if err != nil || len(names) < 8 {
		t.Fatalf("%d pages, %v", len(names), err)
	}
	all := map[string]string{}
	for _, name := range append(names, "../../README.md") {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = string(text)
	}
	return all
}

// The README can be read in one go, and leads to every page of the manual; no link of
// it or of a page leads nowhere.
func TestReadme(t *testing.T) {
	all := texts(t)
	readme := all["../../README.md"]
	if n := strings.Count(readme, "\n"); n > 150 {
		t.Errorf("the README has %d lines", n)
	}
	for _, p := range manual.All() {
		if !strings.Contains(readme, "](cmd/purebundle/manual/"+p.Topic+".md)") {
			t.Errorf("the README does not lead to %s", p.Topic)
		}
	}
	links := 0
	for name, text := range all {
		for _, m := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(text, -1) {
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if links < len(manual.All()) {
		t.Errorf("%d links", links)
	}
}

// The page of formats has every field of what scripts read, and every kind of change;
// and no field that there is not.
func TestFormatIsComplete(t *testing.T) {
	page := texts(t)["manual/format.md"]
	fields := map[string]bool{}
	for _, v := range []any{progress.JSONLine{}, create.Summary{}, ship.Summary{}, look.Moved{}, look.Verified{}, look.Checked{}, chunk.Manifest{}} {
		for name := range jsonFields(reflect.TypeOf(v)) {
			fields[name] = true
			if !strings.Contains(page, "`"+name+"`") {
				t.Errorf("no `%s` of %T", name, v)
			}
		}
	}
	for k := ext2img.Vanished; k <= ext2img.Unreadable; k++ {
		if !strings.Contains(page, "`"+k.String()+"`") {
			t.Errorf("no change `%s`", k)
		}
	}
	rows := 0
	for line := range strings.Lines(page) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 || !strings.HasPrefix(cells[1], " `") {
			continue
		}
		rows++
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			if !fields[name[1]] && !strings.HasPrefix(name[1], "--") {
				t.Errorf("`%s` is no field", name[1])
			}
		}
	}
	if rows < 30 {
		t.Errorf("%d rows", rows)
	}
}

// foreign are options of other programs that the texts name.
var foreign = regexp.MustCompile(`--(one-file-system|enable|force|full|now|no-install-recommends)\b`)

// Each flag that the texts name exists, and so does each variable. Flags and variables
// of a command are all in its own page, which is made of them.
func TestNamesInTexts(t *testing.T) {
	known := map[string]bool{"help": true, "version": true, "help-all": true}
	variables := ""
	for _, cmd := range cli.Documented(newRoot(&cli.App{})) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		var page bytes.Buffer
		cli.WriteMan(&page, "", cmd)
		variables += page.String()
	}
	flags, names := 0, 0
	for name, text := range texts(t) {
		for _, m := range regexp.MustCompile(`(?:^|[^-\w])--([a-z][a-z0-9-]*[a-z0-9])`).FindAllStringSubmatch(text, -1) {
			flags++
			if !known[m[1]] && !foreign.MatchString("--"+m[1]) {
				t.Errorf("%s: there is no --%s", name, m[1])
			}
		}
		for _, v := range regexp.MustCompile(`\b(?:AWS|EC2|SOURCE|GOMEM)_?[A-Z_]*[A-Z]\b`).FindAllString(text, -1) {
			names++
			if v != "AWS" && v != "EC2" && v != "SOURCE" && !strings.Contains(variables, v) {
				t.Errorf("%s: nothing reads %s", name, v)
			}
		}
	}
	if flags < 60 || names < 2 {
		t.Errorf("%d flags, %d variables", flags, names)
	}
}

// Each command line of ours in the texts is one that the program takes.
func TestCommandsInTexts(t *testing.T) {
	ours := regexp.MustCompile(`(?m)^(?:# )?(?:sudo )?(purebundle (?:[^\\\n]|\\(?s:.))*)`)
	checked := 0
	for name, text := range texts(t) {
		for _, fence := range regexp.MustCompile("(?s)```(?:sh)?\n(.*?)```").FindAllStringSubmatch(text, -1) {
			for _, m := range ours.FindAllStringSubmatch(fence[1], -1) {
				line, _, _ := strings.Cut(strings.ReplaceAll(m[1], "\\\n", " "), " #")
				if strings.ContainsAny(line, "…|[") {
					line = strings.NewReplacer("-k … -c … -u …", "-k k -c c -u 123456789012", "…", "x", "[", "", "]", "", "|", "").Replace(line)
				}
				checked++
				args := strings.Fields(strings.ReplaceAll(line, "'{hostname} {date}'", "{hostname}-{date}"))[1:]
				root := newRoot(&cli.App{})
				cmd, rest, err := root.Find(args)
				if err == nil && cmd != root {
					err = cmd.ParseFlags(rest)
				}
				if err == nil && cmd != root {
					err = cmd.ValidateArgs(cmd.Flags().Args())
				}
				if err != nil || cmd == root && args[0] != "help" {
					t.Errorf("%s: %s: %v", name, line, err)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("%d commands", checked)
	}
}

// What is in the JSON of several commands has one name and one type in all of them.
func TestJSONAlike(t *testing.T) {
	common := map[string]reflect.Type{}
	for _, v := range []any{create.Summary{}, ship.Summary{}, look.Moved{}, look.Verified{}} {
		has := map[string]bool{}
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				continue
			}
			if was, ok := common[name]; ok && was != f.Type {
				t.Errorf("%T: %s is %v, elsewhere %v", v, name, f.Type, was)
			}
			common[name], has[name] = f.Type, options == ""
		}
		for _, name := range []string{"source", "prefix", "image_size", "parts", "zero_parts", "seconds"} {
			if !has[name] {
				t.Errorf("%T lacks %s, or leaves it out if it is zero", v, name)
			}
		}
	}
}

// jsonFields gives the names of the fields of a type in JSON, at every depth.
func jsonFields(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() == "time" {
		return names
	}
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" {
			names[name] = true
		}
		for name := range jsonFields(t.Field(i).Type) {
			names[name] = true
		}
	}
	return names
}
