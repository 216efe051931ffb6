package filter

import (
	"path"
	"slices"
	"strings"
	"testing"
)

func TestClasses(t *testing.T) {
	for text, want := range map[string]Class{
		"secrets": Secrets, "logs,identity": Identity | Logs, "secrets,histories,identity,logs": Secrets | Histories | Identity | Logs, "none": None,
	} {
		got, err := ParseClasses(text)
		if err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if again, err := ParseClasses(got.String()); err != nil || again != want {
			t.Errorf("%q as %q: %v, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "secret", "none,logs", "logs,none", "logs,", "Logs"} {
		if got, err := ParseClasses(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestInForce(t *testing.T) {
	const three = Secrets | Histories | Identity
	for choice, want := range map[Choice]Class{
		{}: three, {GiveAway: true}: three | Logs, {Classes: Logs}: Logs, {Classes: Histories, GiveAway: true}: Histories, {Classes: None, GiveAway: true}: 0,
	} {
		if got := choice.InForce(); got != want {
			t.Errorf("%+v: %v, want %v", choice, got, want)
		}
	}
}

// TestTable has every place say what it is, once.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range Table() {
		if (p.Reason == "") != (p.Take == Nothing) || p.Class.String() == "" || len(p.Paths) == 0 {
			t.Errorf("%+v", p)
		}
		for _, text := range p.Patterns() {
			key := string(rune('0'+p.Where)) + text
			if seen[key] || strings.HasPrefix(text, "//") {
				t.Errorf("%s: twice, or not relative", text)
			}
			seen[key] = true
		}
	}
	if _, err := New(Choice{GiveAway: true}); err != nil || len(seen) < 200 {
		t.Errorf("%d places, %v", len(seen), err)
	}
}

// TestHomes reads accounts, good and bad.
func TestHomes(t *testing.T) {
	tests := []struct {
		passwd string
		homes  string // "!" in front of one that is no person's
	}{
		{"", ""},
		{"jo:x:1000:1000::/people/jo:/bin/sh\n", "/people/jo"},
		{"jo:x:1000:1000::/people/jo:/bin/sh", "/people/jo"},
		{"svc:x:120:120::/opt/svc:/bin/sh\nold:x:500:500:a:/opt/old/:\n", "!/opt/svc /opt/old"},
		{"toor:x:0:0::/admin:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/sh\n", "/admin !/nonexistent"},
		{"a:x:1:1::/:\nb:x:2:2::/usr/bin:\nc:x:3:3::/etc:\nd:x:4:4::/var:\ne:x:5:5::/dev/x:\nf:x:1000:1::relative:\ng:x:1000:1::/a/../b:\nh:x:1000:1:::\n", ""},
		{"a:x\n\n:::::\n::::::::\n#jo:x:1000:1000::/people/jo\n", "/people/jo"},
		{"a:x:1000:1::/usr/home/a:\nb:x:1000:1::/usr/local/home/b:\nc:x:1000:1::/var/lib/c:\n", "/usr/home/a /usr/local/home/b /var/lib/c"},
		{strings.Repeat("x", maxPasswd) + "\njo:x:1000:1000::/late/jo:\n", ""},
	}
	for _, test := range tests {
		h := NewHomes([]byte(test.passwd), path.Clean)
		want := append(strings.Fields(test.homes), "/root", "/home/anybody")
		for _, dir := range []string{"/people/jo", "/opt/svc", "/opt/old", "/admin", "/nonexistent", "/", "/usr/bin", "/etc", "/var", "/dev/x", "/b", "/a", "/usr/home/a",
			"/usr/local/home/b", "/var/lib/c", "/late/jo", "/root", "/home/anybody", "/home", "/home/anybody/deeper", "/relative"} {
			n := h.top
			for name := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
				if n = n.below(name); n == nil {
					break
				}
			}
			home, person := n != nil && n.home, n != nil && n.person
			if home != (slices.Contains(want, dir) || slices.Contains(want, "!"+dir)) || person != slices.Contains(want, dir) {
				t.Errorf("%.60q: %s is a home: %v, a person's: %v", test.passwd, dir, home, person)
			}
		}
	}
}

// FuzzKeyKind looks for content that crashes what looks at it.
func FuzzKeyKind(f *testing.F) {
	for _, s := range []string{"-----BEGIN PRIVATE KEY-----\n", "\x30\x82\x01\x00\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01", "\x30\xff", "\x30",
		"# age\nAGE-SECRET-KEY-1", "Bag Attributes\n-----BEGIN", "[connection]\npsk=x", "\xfe\xed\xfe\xed"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		KeyKind(b)
		HoldsSecret(b)
		NewHomes(b, path.Clean)
		if PEM(b) && KeyKind(append(b[:len(b):len(b)], "\n-----BEGIN PRIVATE KEY-----\n"...)) == "" {
			t.Error("a key further on is not found")
		}
	})
}
