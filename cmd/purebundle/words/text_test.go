package words

import "testing"

func TestRoff(t *testing.T) {
	for in, want := range map[string]string{
		"a-b": `a\-b`, `\x`: `\ex`, ".start": `\&.start`, "'q": `\&'q`, "a\n.b": "a\n\\&.b",
	} {
		if got := Roff(in); got != want {
			t.Errorf("Roff(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 5, []string{""}}, {"a b c", 5, []string{"a b c"}}, {"a b cd", 5, []string{"a b", "cd"}}, {"longer than", 3, []string{"longer", "than"}},
	} {
		got := Fold(c.text, c.width)
		if len(got) != len(c.want) {
			t.Errorf("%q: %q", c.text, got)
			continue
		}
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%q: %q, want %q", c.text, got, c.want)
			}
		}
	}
}
