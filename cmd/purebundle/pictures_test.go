package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
)

// The mounts, their tree, and the bars of a dry run, as they are on a narrow and on a wide
// screen: nothing is folded by the terminal, and what belongs together is in one line.
func TestPicturesOnScreen(t *testing.T) {
	imgtest.RequireRoot(t)
	t.Parallel()
	dir := t.TempDir()
	root := subdir(t, dir, "tree")
	for _, below := range []string{"memory", "memory/inside", "var/deep/er"} {
		point := subdir(t, root, below)
		imgtest.Run(t, "mount", "-t", "tmpfs", "none", point)
		t.Cleanup(func() { imgtest.Unmount(t, point) })
	}
	for name, size := range map[string]int64{"usr/lib/big": 9 << 20, "usr/share/small": 3 << 20} {
		path := filepath.Join(root, name)
		subdir(t, root, filepath.Dir(name))
		if err := os.WriteFile(path, []byte(strings.Repeat("x", int(size))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	self := program(t)
	for _, width := range []int{60, 200} {
		s := newScreen(t, width, 60, fmt.Sprintf("sh -c 'cd %s && %s mounts --tree tree; echo status $?'", dir, self))
		lines := s.waitLast("status 0")
		text := strings.Join(lines, "\n")
		for _, want := range []string{`(?m)^/ \(\w+\) crossed: `, `(?m)^├─ memory \(tmpfs\) left out: `, `(?m)^│  └─ inside \(tmpfs\) left out`, `(?m)^└─ var/deep/er \(tmpfs\) left out`} {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("%d columns: no %s:\n%s", width, want, text)
			}
		}
		for _, line := range lines[:len(lines)-1] {
			if !regexp.MustCompile(`^(/|[│├└]| {3})`).MatchString(line) {
				t.Errorf("%d columns: folded: %s", width, line)
			}
		}

		// The table, or what fits where that does not.
		s = newScreen(t, width, 60, fmt.Sprintf("sh -c 'cd %s && %s mounts tree; echo status $?'", dir, self))
		text = strings.Join(s.waitLast("status 0"), "\n")
		want := `(?m)^left out  /var/deep/er +tmpfs +none +file system in memory`
		if width == 60 {
			want = `(?m)^left out   /var/deep/er\n {11}tmpfs \(none\): file system in memory \(tmpfs\)$`
		}
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%d columns: no %s:\n%s", width, want, text)
		}

		s = newScreen(t, width, 60, fmt.Sprintf("sh -c 'cd %s && %s bundle -n tree; echo status $?'", dir, self))
		text = strings.Join(s.waitLast("status 0"), "\n")
		most := min(width, 100) / 6
		for path, bar := range map[string]int{"/usr": most, "/usr/lib": most * 3 / 4, "/usr/share": most / 4} {
			m := regexp.MustCompile(`(?m)^  [0-9.]+ MiB +(#+) +` + path + `$`).FindStringSubmatch(text)
			if m == nil || len(m[1]) < bar || len(m[1]) > bar+1 {
				t.Errorf("%d columns: %s is not %d long: %q\n%s", width, path, bar, m, text)
			}
		}
	}
}
