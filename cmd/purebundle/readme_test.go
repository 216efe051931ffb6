package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/look"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/ship"
	"purebundle/ext2img"
)

// The README documents every command, every field of what scripts read, and
// every kind of change.
func TestReadmeIsComplete(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for _, v := range []any{progress.JSONLine{}, create.Summary{}, ship.Summary{}, look.Moved{}, look.Verified{}, chunk.Manifest{}} {
		for name := range jsonFields(reflect.TypeOf(v)) {
			if !strings.Contains(readme, "`"+name+"`") {
				t.Errorf("no `%s` of %T", name, v)
			}
		}
	}
	for k := ext2img.Vanished; k <= ext2img.Unreadable; k++ {
		if !strings.Contains(readme, "`"+k.String()+"`") {
			t.Errorf("no change `%s`", k)
		}
	}
	for _, cmd := range newRoot(&cli.App{}).Commands() {
		if !cmd.Hidden && !strings.Contains(readme, "\npurebundle "+cmd.Name()+" ") {
			t.Errorf("no command %s", cmd.Name())
		}
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
