package walker

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// plantBundle makes a bundle of two empty parts in dir.
func plantBundle(t *testing.T, dir, prefix, kind string) {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o755))
	var json, xml []string
	for i := range 2 {
		name := fmt.Sprintf("%s.part.%03d", prefix, i)
		must(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
		must(t, os.Truncate(filepath.Join(dir, name), 10<<20))
		json = append(json, fmt.Sprintf(`{"name":%q,"size":10485760,"sha256":"0"}`, name))
		xml = append(xml, fmt.Sprintf(`<part index="%d"><filename>%s</filename><digest algorithm='SHA1'>0</digest></part>`, i, name))
	}
	text := fmt.Sprintf(`{"schema":1,"tool":"purebundle 1.0","prefix":%q,"image":{"size":3,"x":[{}]},"parts":[%s],"warnings":[]}`, prefix, strings.Join(json, ","))
	if kind == "xml" {
		text = fmt.Sprintf(`<?xml version="1.0"?><manifest><image><name>%s</name><parts count="2">%s</parts></image></manifest>`, prefix, strings.Join(xml, "\n"))
	} else {
		must(t, os.WriteFile(filepath.Join(dir, prefix+".sha256"), []byte("sums"), 0o644))
	}
	must(t, os.WriteFile(filepath.Join(dir, prefix+".manifest."+kind), []byte(text), 0o644))
}

// TestBundles has complete bundles left out wherever they are, in both formats, and nothing else: what only looks like one stays.
func TestBundles(t *testing.T) {
	const part = "/d/image.part.001"
	for _, test := range []struct {
		name  string
		kind  string
		opt   Options
		do    func(dir string) error
		there bool // the parts are in the tree
	}{
		{name: "complete", kind: "json"},
		{name: "of Amazon's format", kind: "xml"},
		{name: "asked for", kind: "json", opt: Options{Bundles: true}, there: true},
		{name: "asked for, of Amazon's", kind: "xml", opt: Options{Bundles: true}, there: true},
		{"included", "json", Options{Include: []string{"/d"}}, nil, true},
		{"its manifest is included", "json", Options{Include: []string{"/d/*.json"}}, nil, true},
		{"its manifest is excluded", "json", Options{Exclude: []string{"*.json"}}, nil, false},
		{"its parts are excluded", "json", Options{Exclude: []string{"image.part.*"}}, nil, false},
		{"a part is missing", "json", Options{}, func(dir string) error { return os.Remove(dir + "/image.part.000") }, true},
		{"a part of Amazon's is missing", "xml", Options{}, func(dir string) error { return os.Remove(dir + "/image.part.000") }, true},
		{"a part is short", "json", Options{}, func(dir string) error { return os.Truncate(dir+"/image.part.000", 5) }, true},
		{"a part is somebody else's", "json", Options{}, func(dir string) error { return os.Chown(dir+"/image.part.000", 1, 1) }, true},
		{"the manifest is somebody else's", "xml", Options{}, func(dir string) error { return os.Chown(dir+"/image.manifest.xml", 1, 1) }, true},
		{"a part is a link", "json", Options{}, func(dir string) error {
			return swap(dir+"/image.part.000", func(p string) error { return os.Symlink(part, p) })
		}, true},
		{"another tool's", "json", Options{}, func(dir string) error { return edit(dir+"/image.manifest.json", "purebundle ", "webpack ") }, true},
		{"of another name", "json", Options{}, func(dir string) error { return edit(dir+"/image.manifest.json", `"prefix":"image"`, `"prefix":"x"`) }, true},
		{"names of no parts", "json", Options{}, func(dir string) error { return edit(dir+"/image.manifest.json", "image.part.000", "other") }, true},
		{"a part twice", "json", Options{}, func(dir string) error { return edit(dir+"/image.manifest.json", "part.000", "part.001") }, true},
		{"cut", "json", Options{}, func(dir string) error { return os.Truncate(dir+"/image.manifest.json", 200) }, true},
		{"cut, of Amazon's", "xml", Options{}, func(dir string) error { return os.Truncate(dir+"/image.manifest.xml", 300) }, true},
		{"larger than a manifest", "json", Options{}, func(dir string) error { return os.Truncate(dir+"/image.manifest.json", maxManifest+1) }, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			plantBundle(t, dir+"/d", "image", test.kind)
			must(t, os.WriteFile(dir+"/d/other.part.000", nil, 0o644))
			if test.do != nil {
				must(t, test.do(dir+"/d"))
			}
			res := walkAll(t, dir, test.opt)
			if res.entries["/d/other.part.000"] == nil {
				t.Error("a stranger beside is missing")
			}
			if there := res.entries[part] != nil; there != test.there {
				t.Errorf("%s is there: %v, want %v", part, there, test.there)
			}
			manifest := "/d/image.manifest." + test.kind
			for _, p := range []string{manifest, "/d/image.sha256"} {
				if test.kind == "json" && (res.entries[p] != nil) != test.there {
					t.Errorf("%s is there: %v, want %v", p, res.entries[p] != nil, test.there)
				}
			}
			var want []string
			if !test.there {
				want = []string{manifest + ": " + BundleRule}
			}
			diff(t, "excluded", leftLines(res.Excluded), want)
			if res.Bundles.Count != len(want) {
				t.Errorf("%d bundles, want %d", res.Bundles.Count, len(want))
			}
		})
	}
}

// swap replaces what is called name by what is made.
func swap(name string, create func(name string) error) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return create(name)
}

// edit replaces a text in a file, which must have it.
func edit(name, from, to string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if !strings.Contains(string(b), from) {
		return fmt.Errorf("%s has no %q", name, from)
	}
	return os.WriteFile(name, []byte(strings.Replace(string(b), from, to, 1)), 0o644)
}

// TestManifestBudget has a walk read no more than 256 MiB of manifests, and say of which it does not know.
func TestManifestBudget(t *testing.T) {
	dir := t.TempDir()
	for i := range maxManifests/maxManifest + 1 {
		prefix := fmt.Sprintf("b%d", i)
		plantBundle(t, dir, prefix, "json")
		must(t, os.Truncate(dir+"/"+prefix+".manifest.json", maxManifest)) // NUL bytes behind it are no error yet
	}
	res := walk(t, dir, Options{})
	last := fmt.Sprintf("/b%d.manifest.json", maxManifests/maxManifest)
	if len(res.Warnings) != 1 || res.Warnings[0].Path != last || res.Bundles.Count != maxManifests/maxManifest || res.Warnings[0].Text != unreadManifest {
		t.Errorf("warnings: %v", res.Warnings)
	}
	if res.entries[last] == nil {
		t.Errorf("%s is left out", last)
	}
}
