package ship

import (
	"strings"
	"testing"
	"time"

	"purebundle/cmd/purebundle/cli"
)

var someRun = map[string]string{
	"hostname": "web1", "date": "2026-11-22", "time": "184059", "uuid": "1b4e28ba-2fa1-41d2-883f-0016d3cca427",
}

func TestTemplate(t *testing.T) {
	for _, c := range []struct{ name, text, want, wrong string }{
		{name: "plain", text: "a/b", want: "a/b"},
		{name: "empty", text: "", want: ""},
		{name: "fields", text: "x/{hostname}-{date}T{time}/{uuid}", want: "x/web1-2026-11-22T184059/1b4e28ba-2fa1-41d2-883f-0016d3cca427"},
		{name: "touching", text: "{date}{time}", want: "2026-11-22184059"},
		{name: "unknown", text: "{host}", wrong: "unknown field {host}"},
		{name: "empty field", text: "a{}", wrong: "unknown field {}"},
		{name: "open", text: "a{date", wrong: "a { without its }"},
		{name: "closed", text: "a}b", wrong: "a } without its {"},
		{name: "nested", text: "{{date}}", wrong: "unknown field {{date}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseTemplate(c.text)
			switch {
			case c.wrong != "":
				if err == nil || !strings.Contains(err.Error(), c.wrong) || cli.Status(err) != cli.StatusUsage || !strings.Contains(cli.HintFor(err), "{hostname}, {date}, {time}, {uuid}") {
					t.Errorf("error %v, hint %q", err, cli.HintFor(err))
				}
			case err != nil:
				t.Error(err)
			case got.expand(someRun) != c.want:
				t.Errorf("%q", got.expand(someRun))
			case !got.like(someRun).MatchString(c.want):
				t.Errorf("is not like itself: %v", got.like(someRun))
			}
		})
	}
}

// What --keep may delete is what another run of this machine made of the very
// same template.
func TestTemplateLike(t *testing.T) {
	tmpl, err := parseTemplate("{hostname}-{date}.x")
	if err != nil {
		t.Fatal(err)
	}
	like := tmpl.like(someRun)
	for name, want := range map[string]bool{
		"web1-2026-11-21.x":    true,
		"web1-2026-11-22.x":    true,
		"web2-2026-11-21.x":    false,
		"web1-2026-11-21ax":    false,
		"web1-2026-11-21.x2":   false,
		"aweb1-2026-11-21.x":   false,
		"web1-2026-11-1.x":     false,
		"web1-2026-11-21.x\n":  false,
		"web1--2026-11-21.x":   false,
		"web1-{date}.x":        false,
		"web1-2026-11-21/y.x":  false,
		"web1-2026-11-21.x/":   false,
		"web1-keep-forever.x":  false,
		"WEB1-2026-11-21.x":    false,
		"web1-٢٠٢٦-11-21.x":    false,
		"web1-2026-11-21.x.md": false,
	} {
		if like.MatchString(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestTemplateSegments(t *testing.T) {
	tmpl, err := parseTemplate("a/{hostname}-b/{date}/{time}x/y")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range tmpl.segments() {
		got = append(got, s.expand(someRun))
	}
	if s := strings.Join(got, "|"); s != "a|web1-b|2026-11-22|184059x|y" {
		t.Error(s)
	}
}

func TestImageName(t *testing.T) {
	for _, c := range []struct {
		text string
		good bool
	}{
		{"{hostname}-{date}", true},
		{"web (test) [1] ./-'@_", true},
		{"ab", false},
		{strings.Repeat("a", 128), true},
		{strings.Repeat("a", 129), false},
		{"a:b:c", false},
		{"größe", false},
	} {
		tmpl, err := parseTemplate(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tmpl.imageName(someRun); (err == nil) != c.good || err != nil && cli.Status(err) != cli.StatusUsage {
			t.Errorf("%q: %v", c.text, err)
		}
	}
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"web1.example.org": "web1.example.org", "a b/c:d": "a-b-c-d", "": "localhost", "..": "localhost", "größe": "gr--e", "{date}": "-date-",
	} {
		if got := safeName(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
	values := FieldValues(time.Unix(1700000000, 0))
	if values["date"] != "2023-11-14" || values["time"] != "221320" {
		t.Error(values)
	}
	for _, f := range templateFields {
		if f.shape == "" {
			continue
		}
		if !(template{{field: f.name}}).like(nil).MatchString(values[f.name]) {
			t.Errorf("%s: %q has not its shape", f.name, values[f.name])
		}
	}
}
