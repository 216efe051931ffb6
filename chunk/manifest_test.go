package chunk

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// sampleManifest returns a manifest with something in every field.
func sampleManifest(t testing.TB) []byte {
	t.Helper()
	m := testManifest()
	m.Schema, m.Prefix, m.PartSize, m.Host = Schema, "p", Size, "web"
	m.Image = Image{Size: 2 * Size, FSSize: 2*Size - 4096, BlockSize: 4096, Blocks: 5119, FreeBlocks: 100, Inodes: 512, FreeInodes: 400,
		Type: "ext4", Label: "root <1>", UUID: m.Image.UUID}
	for i := range 2 {
		m.Parts = append(m.Parts, Part{Name: PartName("p", i, 2), Size: Size, SHA256: strings.Repeat("0123456789abcdef", 4)})
	}
	m.Counts = Counts{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	m.Mounts = []Mount{{"/proc", "proc", "proc", "/", "refuse", "type proc"}}
	m.Filtered = []Left{{"/root/.ssh/id_\xff", "ssh key"}}
	m.Excluded = []Left{{`/tmp/a\b`, "default"}}
	m.Unreadable = []Problem{{"/x", "input/output error", nil}}
	m.Changes = []Change{{"/var/log/x", "grown", "by 3 bytes", nil}}
	m.Warnings = []Warning{{"/y", "dropped\u2028 xattr"}}
	text, err := m.encode()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestManifestRoundTrip(t *testing.T) {
	text := sampleManifest(t)
	m, err := ReadManifest(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.encode()
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("read and written again:\n%s\nwas\n%s", again, text)
	}
	if m.Filtered[0].Path != "/root/.ssh/id_\xff" || m.Excluded[0].Path != `/tmp/a\b` {
		t.Errorf("paths came back as %q, %q", m.Filtered[0].Path, m.Excluded[0].Path)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		t.Fatal(err)
	}
	if m2, err := ReadManifest(&compact); err != nil || !reflect.DeepEqual(m, m2) {
		t.Errorf("without white space: %v", err)
	}
}

func TestManifestDamage(t *testing.T) {
	text := string(sampleManifest(t))
	digest := strings.Repeat("0123456789abcdef", 4)
	for _, tt := range []struct{ name, from, to, want string }{
		{"empty", text, "", "is not JSON"},
		{"not JSON", text, "hello", "is not JSON"},
		{"other JSON", text, `{"a": 1}`, "no schema"},
		{"array", text, `[]`, "does not fit"},
		{"number", text, `7`, "does not fit"},
		{"null", text, `null`, "no schema"},
		{"truncated", text, text[:len(text)/2], "is not JSON"},
		{"goes on", "\n}\n", "\n}\n{}", "is not JSON"},
		{"version 0", `"schema": 1`, `"schema": 0`, "schema version 0"},
		{"version 2", `"schema": 1`, `"schema": 2`, "schema version 2"},
		{"version and layout", text, `{"schema": 2, "chunks": [null]}`, "schema version 2"},
		{"version text", `"schema": 1`, `"schema": "1"`, "does not fit"},
		{"version float", `"schema": 1`, `"schema": 1.5`, "does not fit"},
		{"no version", `"schema": 1,`, ``, "no schema"},
		{"unknown field", `"tool"`, `"tools": "", "tool"`, `unknown field "tools"`},
		{"unknown field in a part", `"name": "p.part.001"`, `"name": "p.part.001", "path": "/etc"`, `unknown field "path"`},
		{"field twice", `"tool"`, `"prefix": "q", "tool"`, "edited"},
		{"field twice, alike", `"tool"`, `"prefix": "p", "tool"`, "edited"},
		{"field twice, alike, in a part", `"name": "p.part.001"`, `"name": "p.part.001", "name": "p.part.001"`, "edited"},
		{"letter case", `"tool"`, `"Tool"`, `says "{\"schema\":1,\"Tool\"`},
		{"letter case twice", `"prefix": "p"`, `"prefix": "p", "PREFIX": "p"`, "PREFIX"},
		{"folded letter", `"parts"`, `"partſ"`, `partſ`},
		{"null list", `"warnings": [`, `"warnings": null, "warnings": [`, "null"},
		{"null", `"grown"`, `null`, "null"},
		{"null object", `"counts": {`, `"counts": null, "counts": {`, "null"},
		{"escaped letter", `"tool"`, `"too\u006c"`, "edited"},
		{"order", `"prefix": "p",`, ``, "prefix"},
		{"tool missing", ` "tool": "purebundle test",`, ``, "edited or is incomplete"},
		{"warnings missing", text[strings.Index(text, `,`+"\n"+` "warnings"`):], "}", "edited or is incomplete"},
		{"prefix", `"prefix": "p"`, `"prefix": "q"`, `"p.part.000" instead of "q.part.000"`},
		{"prefix with a path", `"prefix": "p"`, `"prefix": "../p"`, "begins with"},
		{"created", `2023-11-14T22:13:20.000000005Z`, `yesterday`, "yesterday"},
		{"created zone", `2023-11-14T22:13:20.000000005Z`, `2023-11-14T23:13:20.000000005+01:00`, "edited"},
		{"created missing", `"created": "2023-11-14T22:13:20.000000005Z"`, `"created": "0001-01-01T00:00:00Z"`, "created"},
		{"escape", `id_\\xff`, `id_\\x41`, "not spelled"},
		{"bad escape", `id_\\xff`, `id_\\q`, "bad escape"},
		{"image size 0", `"size": 20971520`, `"size": 0`, "image.size"},
		{"image size odd", `"size": 20971520`, `"size": 20971521`, "image.size"},
		{"image size negative", `"size": 20971520`, `"size": -20971520`, "image.size"},
		{"image size more", `"size": 20971520`, `"size": 31457280`, "lists 2 parts"},
		{"image size overflow", `"size": 20971520`, `"size": 9223372036854775808`, "does not fit"},
		{"image size huge", `"size": 20971520`, `"size": 9223372036852088832`, "image.size"},
		{"image size float", `"size": 20971520`, `"size": 2.097152e7`, "does not fit"},
		{"fs_size", `"fs_size": 20967424`, `"fs_size": 20971521`, "image.fs_size"},
		{"fs_size negative", `"fs_size": 20967424`, `"fs_size": -1`, "image.fs_size"},
		{"block_size", `"block_size": 4096`, `"block_size": 1048576`, "image.block_size"},
		{"blocks", `"blocks": 5119`, `"blocks": 5120`, "image.blocks"},
		{"blocks overflow", `"blocks": 5119`, `"blocks": 4611686018427387905`, "image.blocks"},
		{"free_blocks", `"free_blocks": 100`, `"free_blocks": 5120`, "image.free_blocks"},
		{"inodes", `"inodes": 512`, `"inodes": -1`, "image.inodes"},
		{"free_inodes", `"free_inodes": 400`, `"free_inodes": 513`, "image.free_inodes"},
		{"uuid", `"uuid": "0123`, `"uuid": "x123`, "image.uuid"},
		{"uuid capitals", `89ab`, `89AB`, "image.uuid"},
		{"part_size", `"part_size": 10485760`, `"part_size": 10485761`, "part_size"},
		{"part size", `"name": "p.part.000",` + "\n   " + `"size": 10485760`, `"name": "p.part.000", "size": 10485759`, "p.part.000: size"},
		{"part path", `"p.part.000"`, `"/etc/p.part.000"`, `instead of "p.part.000"`},
		{"part path up", `"p.part.000"`, `"../p.part.000"`, `instead of "p.part.000"`},
		{"parts twice", `"p.part.001"`, `"p.part.000"`, `instead of "p.part.001"`},
		{"part width", `"p.part.001"`, `"p.part.0001"`, `instead of "p.part.001"`},
		{"digest short", digest, digest[1:], "sha256"},
		{"digest capitals", digest, strings.ToUpper(digest), "sha256"},
		{"digest letters", digest, "g" + digest[1:], "sha256"},
		{"parts missing", text[strings.Index(text, ` "parts"`):strings.Index(text, ` "counts"`)], ``, "lists 0 parts"},
		{"count negative", `"files": 2`, `"files": -2`, "negative"},
		{"not UTF-8", "web", "w\xffb", "edited"},
		{"deep", `"warnings": [`, `"warnings": [[[[[[[[[[[1]]]]]]]]]],`, "nested too deep"},
		{"many fields", `"tool"`, manyFields(), `unknown field "f"`},
		{"long", "\n}\n", "\n}\n" + strings.Repeat(" ", maxManifest), "longer than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(text, tt.from) {
				t.Fatalf("the sample has no %q", tt.from)
			}
			m, err := ReadManifest(strings.NewReader(strings.Replace(text, tt.from, tt.to, 1)))
			if err == nil || m != nil {
				t.Fatalf("was read: %v", err)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not mention %q", err, tt.want)
			}
			if strings.Contains(err.Error(), "Go ") || strings.Contains(err.Error(), "chunk.") {
				t.Errorf("error %q speaks of Go", err)
			}
		})
	}
}

func manyFields() string {
	var b strings.Builder
	for i := range 70 {
		b.WriteString(`"f` + strings.Repeat("x", i) + `": 1, `)
	}
	return b.String() + `"tool"`
}

// TestManifestFields takes each line with a field away, and changes each value.
func TestManifestFields(t *testing.T) {
	lines := strings.Split(string(sampleManifest(t)), "\n")
	field := regexp.MustCompile(`^ +"(\w+)": ("?)([^"\[{][^"]*|)("?),?$`)
	for i, line := range lines {
		if !field.MatchString(line) {
			continue
		}
		without := append(append([]string{}, lines[:i]...), lines[i+1:]...)
		text := regexp.MustCompile(`,\n( *[}\]])`).ReplaceAllString(strings.Join(without, "\n"), "\n$1")
		if !json.Valid([]byte(text)) {
			t.Fatalf("test is wrong: without %s it is no JSON", line)
		}
		if strings.Contains(line, `"host"`) {
			continue // the one that may be absent
		}
		if _, err := ReadManifest(strings.NewReader(text)); err == nil {
			t.Errorf("without line %q it was read", line)
		}
	}
}

// TestManifestSpace: what a hostile manifest decodes to is bounded.
func TestManifestObjects(t *testing.T) {
	text := strings.Replace(string(sampleManifest(t)), `"warnings": [`, `"warnings": [`+strings.Repeat(`{},`, maxObjects), 1)
	_, err := ReadManifest(strings.NewReader(text))
	if err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("got %v", err)
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(sampleManifest(f))
	seeds, err := os.ReadDir("testdata/fuzz/FuzzManifest")
	if err != nil || len(seeds) == 0 {
		f.Fatal("no seed corpus", err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ReadManifest(bytes.NewReader(data))
		if err != nil {
			if m != nil {
				t.Fatal("both a manifest and an error")
			}
			return
		}
		text, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		m2, err := ReadManifest(bytes.NewReader(text))
		if err != nil || !reflect.DeepEqual(m, m2) {
			t.Fatalf("written again it is another: %v", err)
		}
		for i, p := range m.Parts {
			if p.Name != PartName(m.Prefix, i, len(m.Parts)) || strings.Contains(p.Name, "/") {
				t.Fatalf("part %d is called %q", i, p.Name)
			}
		}
	})
}

// TestManifestDisk has partitions that readers of a disk cannot take.
func TestManifestDisk(t *testing.T) {
	for want, change := range map[string]func(p *Partition){
		"":                         func(*Partition) {},
		"bytes at -1 is not":       func(p *Partition) { p.Start = -1 },
		"of 0 bytes":               func(p *Partition) { p.Size = 0 },
		"within the disk of 20971": func(p *Partition) { p.Size = 2 * Size },
		`mount "boot" is no path`:  func(p *Partition) { p.Mount = "boot" },
		`mount "/../x" is no path`: func(p *Partition) { p.Mount = "/../x" },
		`mount "/x" is no path`:    func(p *Partition) { p.Mount, p.Root = "/x", true },
	} {
		m, err := ReadManifest(bytes.NewReader(sampleManifest(t)))
		if err != nil {
			t.Fatal(err)
		}
		p := Partition{Number: 16, Start: 1 << 20, Size: 1 << 20, Type: "x", Mount: "/boot", FS: &FileSystem{Type: "ext4", Made: true, Source: &SourceFS{Type: "xfs"}}}
		change(&p)
		m.Disk = &Disk{Table: "gpt", Partitions: []Partition{{Number: 1, Start: Size, Size: Size, Root: true}, p}}
		text, err := m.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadManifest(bytes.NewReader(text))
		switch {
		case (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want):
			t.Errorf("%v, want %q", err, want)
		case err == nil && !reflect.DeepEqual(again, m):
			t.Errorf("%+v", again.Disk)
		}
	}
}
