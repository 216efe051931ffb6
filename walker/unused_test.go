package walker

import (
	"strings"
	"testing"

	"purebundle/walker/filter"
)

// TestUnused tells of excludes and includes that change nothing, and of no others.
func TestUnused(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "a/b/c/file=1", "a/x.o=1", "empty/", "root/.azure/token=x", "tmp/t=1", "etc/conf=1", "dev/")
	for _, test := range []struct {
		name             string
		exclude, include string
		want             string // the patterns, with - for an exclude and + for an include
	}{
		{"all used", "/a/b *.o /etc/conf", "/tmp/t", ""},
		{"none there", "/nowhere /a/nothing *.iso /a/x.o/ /a/b/c/file/deeper", "/tmp/no *.conf",
			"-/nowhere -/a/nothing -*.iso -/a/x.o/ -/a/b/c/file/deeper +/tmp/no +*.conf"},
		{"the host's path", "/srv/tree/a", "", "-/srv/tree/a"},
		{"a name only below one that is left out", "/a/b c", "", "-c"},
		{"all of an empty directory", "/empty/* /empty/** /a/b/c/** empty/*", "", ""},
		{"below one that is left out", "/a /a/b /a/gone /tmp/x /root/.azure/token", "", ""},
		{"below one that an include keeps", "/a/b/c /a/b/d", "/a/b", "-/a/b/c -/a/b/d"},
		{"an include that wins", "/a /etc/con?", "/a/x.o /etc/conf", "-/etc/con?"},
		{"includes within another", "", "/a /a/b /a/b/c/file", ""},
		{"shadowed by another", "/a/** /a/x.o /a/*", "", ""},
		{"a made device", "/dev/tty /dev/sda", "", ""},
		{"twice", "/no /no", "", "-/no -/no"},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := walkAll(t, dir, Options{Exclude: strings.Fields(test.exclude), Include: strings.Fields(test.include)})
			var want []string
			for _, p := range strings.Fields(test.want) {
				if rest, ok := strings.CutPrefix(p, "-"); ok {
					want = append(want, "exclude "+rest+": leaves nothing out: no such path, or an include keeps it")
				} else {
					want = append(want, "include "+p[1:]+": keeps nothing: no such path in what is walked")
				}
			}
			diff(t, "unused", res.Unused, want)
			var warned []string
			for _, w := range res.Warnings {
				warned = append(warned, w.Text)
			}
			diff(t, "warnings", warned, want)
		})
	}
}

// TestUnusedMounts has patterns name what is on mounts that are not crossed: what an exclude leaves out there is not in the image, and what
// an include keeps there is not either.
func TestUnusedMounts(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "m/", "out/file=1", "b")
	mountFS(t, "none", dir+"/m", "tmpfs", 0, "")
	makeTree(t, dir, "m/in=1")
	res := walkAll(t, dir, Options{Exclude: []string{"/m/in", "/m/not", "/out/file"}, Include: []string{"/m/in"}, LeaveOut: []string{dir + "/out"},
		Filter: filter.Choice{Classes: filter.None}})
	diff(t, "unused", res.Unused, []string{"include /m/in: keeps nothing: no such path in what is walked"})
}
