package walker

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestView looks at files by names with symbolic links in them, which never lead out of
// the tree, and at what must not be opened.
func TestView(t *testing.T) {
	outside, source := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(outside+"/secret", "outside")
	write(source+"/usr/lib/os-release", "inside")
	write(source+outside+"/other", "in the tree")
	links := map[string]string{
		"lib": "usr/lib", "absolute": "/usr/lib/os-release", "up": "../../../../../../" + outside, "out": outside, "loop": "loop",
		"round": "/round/x", "proc": "/proc/self/root", "etc": "/proc/1/root/etc", "dangling": "/no/where",
	}
	for name, target := range links {
		if err := os.Symlink(target, filepath.Join(source, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(source+"/fifo", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, guard := range []mode{bestMode, openat2Mode, plainMode} {
		p, err := NewPlan(source, Options{mode: guard})
		if err != nil {
			t.Fatal(err)
		}
		tree, err := p.Open()
		if err != nil {
			t.Fatal(err)
		}
		v := tree.View()
		for _, name := range []string{"/usr/lib/os-release", "/lib/os-release", "/absolute", "/lib/../absolute", "/./lib//os-release"} {
			if b, err := v.ReadFile(name, 6); err != nil || string(b) != "inside" || !v.IsFile(name) || v.Real(name) != "/usr/lib/os-release" {
				t.Errorf("guard %d: %s: %q, %v, %s", guard, name, b, err, v.Real(name))
			}
		}
		if b, err := v.ReadFile("/up/other", 100); err != nil || string(b) != "in the tree" {
			t.Errorf("guard %d: a link upwards: %q, %v", guard, b, err)
		}
		for _, name := range []string{"/up/secret", "/out/secret", "/loop", "/round", "/proc/etc/passwd", "/etc/passwd", "/dangling", "/fifo", "/lib", ""} {
			if b, err := v.ReadFile(name, 100); err == nil {
				t.Errorf("guard %d: %s is read: %q", guard, name, b)
			}
			if v.IsFile(name) {
				t.Errorf("guard %d: %s is a file", guard, name)
			}
		}
		if _, err := v.ReadFile("/absolute", 5); err == nil || !strings.Contains(err.Error(), "more than 5 bytes") {
			t.Errorf("guard %d: a file that is too long: %v", guard, err)
		}
		names, err := v.Names("/")
		if err != nil || !slices.Contains(names, "fifo") || !slices.Contains(names, "usr") || !slices.IsSorted(names) {
			t.Errorf("guard %d: %q, %v", guard, names, err)
		}
		if names, err := v.Names("/lib"); err != nil || !slices.Equal(names, []string{"os-release"}) || !v.IsDir("/lib") {
			t.Errorf("guard %d: /lib: %q, %v", guard, names, err)
		}
		for _, name := range []string{"/out", "/none", "/absolute", "/loop"} {
			if names, err := v.Names(name); name != "/out" && err == nil || slices.Contains(names, "secret") {
				t.Errorf("guard %d: %s: %q, %v", guard, name, names, err)
			}
		}
		if _, err := v.Names("/none"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("guard %d: /none: %v", guard, err)
		}
		tree.Close()
		if _, err := v.ReadFile("/absolute", 100); err == nil {
			t.Errorf("guard %d: read after Close", guard)
		}
	}
}

// TestViewMounts looks into a mount that is crossed, and not into one that is not.
func TestViewMounts(t *testing.T) {
	source := t.TempDir()
	for _, dir := range []string{"boot", "proc"} {
		if err := os.Mkdir(filepath.Join(source, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mount("tmpfs", source+"/boot", "tmpfs", 0, ""); err != nil {
		t.Skip("mount: ", err)
	}
	t.Cleanup(func() { unix.Unmount(source+"/boot", unix.MNT_DETACH) })
	if err := unix.Mount("proc", source+"/proc", "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(source+"/proc", unix.MNT_DETACH) })
	if err := os.WriteFile(source+"/boot/vmlinuz", []byte("kernel"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		opt  Options
		want []string
	}{{Options{Cross: []string{"/boot"}}, []string{"vmlinuz"}}, {Options{}, nil}} {
		p, err := NewPlan(source, c.opt)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := p.Open()
		if err != nil {
			t.Fatal(err)
		}
		v := tree.View()
		if names, err := v.Names("/boot"); err != nil || !slices.Equal(names, c.want) {
			t.Errorf("%v: %q, %v", c.opt.Cross, names, err)
		}
		if v.IsFile("/boot/vmlinuz") != (c.want != nil) || !v.IsDir("/boot") {
			t.Errorf("%v: kinds", c.opt.Cross)
		}
		if names, _ := v.Names("/proc"); len(names) > 0 {
			t.Errorf("/proc has %q", names)
		}
		tree.Close()
	}
}
