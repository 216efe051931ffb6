package walker

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// matches goes down a path as the walk does.
func matches(s *set, p string) bool {
	states := s.top
	dir := strings.HasSuffix(p, "/")
	names := strings.Split(strings.Trim(p, "/"), "/")
	for i, name := range names {
		last := i == len(names)-1
		if s.match(states, name, !last || dir) >= 0 {
			return last // a match further up is another path's
		}
		states = s.descend(states, name)
	}
	return false
}

func TestPatterns(t *testing.T) {
	tests := []struct {
		pattern  string
		yes, not []string
	}{
		{"/etc", []string{"/etc", "/etc/"}, []string{"/srv/etc", "/etc2", "/et"}},
		{"/etc/passwd", []string{"/etc/passwd"}, []string{"/srv/etc/passwd", "/passwd", "/etc"}},
		{"etc", []string{"/etc", "/srv/etc"}, []string{"/etc2", "/etc/x"}},
		{"etc/passwd", []string{"/etc/passwd", "/srv/etc/passwd"}, []string{"/passwd", "/etc/x/passwd"}},
		{"*.o", []string{"/a.o", "/x/y/.o", "/x/b.o/"}, []string{"/a.oo", "/o"}},
		{"/*.o", []string{"/a.o"}, []string{"/x/a.o"}},
		{"/a*/b", []string{"/a/b", "/aaa/b"}, []string{"/a/x/b", "/b"}},
		{"a?c", []string{"/abc", "/aéc", "/a\xffc"}, []string{"/ac", "/abbc", "/a/c"}},
		{"[a-c]x", []string{"/ax", "/cx"}, []string{"/dx", "/x"}},
		{"[!a-c]x", []string{"/dx", "/x/éx"}, []string{"/ax", "/x"}},
		{"[^a-c]x", []string{"/dx"}, []string{"/ax"}},
		{`\[!a]`, []string{"/[!a]"}, []string{"/b", "/[^a]"}},
		{`a\*b`, []string{"/a*b"}, []string{"/axb"}},
		{`a\**`, []string{"/a*", "/a*x"}, []string{"/a", "/ax", "/a*/x"}},
		{"[*][*]", []string{"/**"}, []string{"/ab"}},
		{"dir/", []string{"/dir/", "/x/dir/"}, []string{"/dir", "/x/dir"}},
		{"/dir/*/", []string{"/dir/x/"}, []string{"/dir/x", "/dir/"}},
		{"/a/**", []string{"/a/b", "/a/b/"}, []string{"/a", "/b"}},
		{"/a/**/z", []string{"/a/z", "/a/b/z", "/a/b/c/z"}, []string{"/z", "/az", "/a/b/zz"}},
		{"/a/**/**/z/**", []string{"/a/z/1", "/a/b/c/z/1"}, []string{"/a/z"}},
		{"**/z", []string{"/z", "/a/b/z"}, []string{"/zz"}},
		{"/**/z", []string{"/z", "/a/b/z"}, []string{"/zz"}},
		{"**", []string{"/a", "/a/"}, nil},
		{"/**", []string{"/a", "/a/"}, nil},
		{"/a**z", []string{"/az", "/abz", "/a/z", "/ab/yz", "/a/b/c/z"}, []string{"/z", "/a", "/az/y", "/x/az"}},
		{"/foo**", []string{"/foo", "/foobar"}, []string{"/fo"}},
		{"/a/***", []string{"/a/b"}, []string{"/a"}},
		{"//etc//passwd", []string{"/etc/passwd"}, []string{"/etc"}},
		{"a b\n", []string{"/a b\n"}, []string{"/a b"}},
		{"\xff\xfe", []string{"/\xff\xfe"}, []string{"/\xff"}},
	}
	for _, test := range tests {
		t.Run(test.pattern, func(t *testing.T) {
			s, err := newSet([]string{test.pattern})
			must(t, err)
			for _, p := range test.yes {
				if !matches(s, p) {
					t.Errorf("does not match %q", p)
				}
			}
			for _, p := range test.not {
				if matches(s, p) {
					t.Errorf("matches %q", p)
				}
			}
		})
	}
}

func TestBadPatterns(t *testing.T) {
	for pattern, cause := range map[string]error{
		"": errEmptyPattern, "/": errWholeSource, "//": errWholeSource, "[a": errUnclosed, "x/[a-": errUnclosed, `a\`: errUnclosed, "[]": errUnclosed,
		"[z-a": errUnclosed, "../x": errDotSegment, "/a/./b": errDotSegment, "a\x00": errNUL, strings.Repeat("a**", 8): errManyStars,
	} {
		for _, opt := range []Options{{Exclude: []string{"fine", pattern}}, {Include: []string{pattern}}} {
			_, err := Mounts(".", opt)
			var bad *PatternError
			if !errors.As(err, &bad) || bad.Pattern != pattern || !errors.Is(err, cause) {
				t.Errorf("%q: %v, want %v", pattern, err, cause)
			}
		}
	}
}

func TestFirstPatternIsNamed(t *testing.T) {
	s, err := newSet([]string{"/b", "a*", "ab", "/ab"})
	must(t, err)
	if i := s.match(s.top, "ab", false); i != 1 {
		t.Errorf("pattern %d", i)
	}
}

func TestQuotePattern(t *testing.T) {
	for _, p := range []string{"/a", "/a*b/[c]/?", `/back\slash`, "/é\xff"} {
		s, err := newSet([]string{quotePattern(p)})
		must(t, err)
		if !matches(s, p) || matches(s, "/aXb/c/d") {
			t.Errorf("%q is not itself", p)
		}
	}
}

// FuzzPattern looks for patterns that crash, and for paths that do not match themselves.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{"/a/**/b*c", "[a-z]?", `\*`, "a**b", "/", "[!x]"} {
		f.Add(p, "/a/b/c")
	}
	f.Fuzz(func(t *testing.T, pattern, p string) {
		s, err := newSet([]string{pattern})
		if err != nil || strings.Contains(p, "//") || strings.Trim(p, "/") == "" {
			return
		}
		matches(s, p)
		if strings.IndexByte(p, 0) < 0 && !slices.ContainsFunc(strings.Split(p, "/"), func(n string) bool { return n == "." || n == ".." }) {
			q := "/" + strings.Trim(p, "/")
			if exact, err := newSet([]string{quotePattern(q)}); err != nil || !matches(exact, q) {
				t.Errorf("%q quoted: %v", q, err)
			}
		}
	})
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

func TestFilterRules(t *testing.T) {
	for _, p := range []string{
		"/root/.ssh/id_rsa", "/home/u/.ssh/id_ed25519", "/home/u/.ssh/id_ecdsa_sk", "/var/lib/git/.ssh/id_work", "/home/u/.ssh/authorized_keys",
		"/root/.bash_history", "/home/u/.zsh_history", "/home/u/.local/share/fish/fish_history", "/root/.aws/credentials", "/root/.netrc",
		"/home/u/src/.main.go.swp", "/etc/.fstab.swo", "/var/lib/systemd/random-seed", "/var/lib/urandom/random-seed",
		"/var/lib/dhcp/dhclient.eth0.leases", "/var/lib/dhclient/dhclient--eth0.lease", "/var/lib/NetworkManager/internal-1-eth0.lease",
		"/var/lib/cloud/instance", "/var/lib/cloud/instances/i-1/", "/var/lib/cloud/instances/i-1/user-data.txt", "/var/lib/cloud/data/instance-id",
	} {
		if got := fates(t, Options{}, p); !strings.HasSuffix(got, " drop") {
			t.Errorf("%s", got)
		}
		if got := fates(t, Options{NoFilter: true}, p); !strings.HasSuffix(got, " keep") {
			t.Errorf("without the filter: %s", got)
		}
	}
	for _, p := range []string{
		"/root/.ssh/id_rsa.pub", "/home/u/.ssh/known_hosts", "/home/u/.ssh/config", "/home/u/id_rsa", "/etc/ssl/certs/ca.pem", "/etc/ssl/private/x.key",
		"/usr/share/keyrings/debian.gpg", "/etc/apt/trusted.gpg.d/x.gpg", "/home/u/credentials", "/srv/a.swp", "/etc/machine-id2", "/srv/etc/machine-id",
		"/var/lib/dhcp/dhcpd.leases", "/var/lib/cloud/seed/nocloud/user-data", "/var/lib/cloud/scripts/per-boot/x", "/home/u/.ssh/id_dir/", "/home/u/.x.swf",
	} {
		if got := fates(t, Options{}, p); !strings.HasSuffix(got, " keep") {
			t.Errorf("%s", got)
		}
	}
	want := "/etc/machine-id blank, /var/lib/dbus/machine-id drop file, /etc/ssh/ssh_host_rsa_key host key, /etc/ssh/ssh_host_rsa_key.pub host key"
	if got := fates(t, Options{}, "/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub"); got != want {
		t.Error(got)
	}
}
