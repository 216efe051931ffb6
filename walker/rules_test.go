package walker

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"purebundle/walker/pattern"
)

// TestBadPatterns has a pattern that does not compile end everything before SOURCE is looked at.
func TestBadPatterns(t *testing.T) {
	for _, opt := range []Options{{Exclude: []string{"fine", "[a"}}, {Include: []string{"[a"}}} {
		_, err := Mounts("/nowhere", opt)
		var bad *pattern.Error
		if !errors.As(err, &bad) || bad.Pattern != "[a" {
			t.Errorf("%+v: %v", opt, err)
		}
	}
}

// fates runs the rules over paths as the walk would and returns what is not simply kept.
func fates(t *testing.T, opt Options, paths ...string) string {
	t.Helper()
	r, err := newRules(opt, opt.Cross)
	must(t, err)
	var out []string
	for _, p := range paths {
		sc := r.top()
		var v verdict
		names := strings.Split(strings.Trim(p, "/"), "/")
		for i, name := range names {
			dir := i < len(names)-1 || strings.HasSuffix(p, "/")
			v = r.judge(&sc, name, dir)
			sc = r.child(&sc, name, v)
			if v.fate == drop && r.hopeless(&sc) {
				break
			}
		}
		names2 := map[fate]string{keep: "keep", drop: "drop", dropFile: "drop file", hollow: "hollow", blank: "blank", hostKey: "host key"}
		out = append(out, fmt.Sprintf("%s %s", p, names2[v.fate]))
	}
	return strings.Join(out, ", ")
}

func TestRules(t *testing.T) {
	tests := []struct {
		name  string
		opt   Options
		paths []string
		want  string
	}{
		{"defaults", Options{}, []string{"/tmp/", "/tmp/x", "/tmp", "/srv/tmp/", "/var/tmp/", "/var/tmp/a/b", "/var/tmpx/"},
			"/tmp/ hollow, /tmp/x drop, /tmp keep, /srv/tmp/ keep, /var/tmp/ hollow, /var/tmp/a/b drop, /var/tmpx/ keep"},
		{"no defaults", Options{NoDefaultExcludes: true}, []string{"/tmp/", "/tmp/x"}, "/tmp/ keep, /tmp/x keep"},
		{"exclude", Options{Exclude: []string{"/a", "*.o"}}, []string{"/a/", "/a/b/c", "/b/x.o", "/b/x.o/y", "/b/a"},
			"/a/ drop, /a/b/c drop, /b/x.o drop, /b/x.o/y drop, /b/a keep"},
		{"include below an exclude", Options{Exclude: []string{"/a"}, Include: []string{"/a/b/c"}}, []string{"/a/b/c", "/a/b/d", "/a/b/c/e"},
			"/a/b/c keep, /a/b/d drop, /a/b/c/e keep"},
		{"include anywhere below an exclude", Options{Exclude: []string{"/a"}, Include: []string{"*.conf"}}, []string{"/a/x/y.conf", "/a/x/z"},
			"/a/x/y.conf keep, /a/x/z drop"},
		{"include over a default", Options{Include: []string{"/tmp/keep", "/run"}}, []string{"/tmp/keep", "/tmp/x", "/run/", "/run/a"},
			"/tmp/keep keep, /tmp/x drop, /run/ keep, /run/a keep"},
		{"include over the filter", Options{Include: []string{"/root/.netrc", "/etc/machine-id"}}, []string{"/root/.netrc", "/home/u/.netrc", "/etc/machine-id"},
			"/root/.netrc keep, /home/u/.netrc drop, /etc/machine-id keep"},
		{"cross over a default", Options{Cross: []string{"/mnt/disk", "/tmp"}}, []string{"/mnt/disk/", "/mnt/disk/.netrc", "/mnt/other", "/tmp/x", "/mnt/disk/x"},
			"/mnt/disk/ keep, /mnt/disk/.netrc drop, /mnt/other drop, /tmp/x keep, /mnt/disk/x keep"},
		{"exclude beats cross", Options{Cross: []string{"/mnt/disk"}, Exclude: []string{"/mnt/disk", "/mnt/disk/sub"}}, []string{"/mnt/disk/", "/mnt/disk/x"},
			"/mnt/disk/ drop, /mnt/disk/x drop"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := fates(t, test.opt, test.paths...); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}
