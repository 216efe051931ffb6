package dir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// files makes files with their own names as content.
func files(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// wantNames checks which names a directory has.
func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if slices.Sort(want); !slices.Equal(have, want) {
		t.Errorf("there is\n%q, want\n%q", have, want)
	}
}

// begun lets a run of another group put things right.
func begun(t *testing.T, dir string) {
	t.Helper()
	s, err := Begin(dir, Options{Group: "other", Last: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Abort(); err != nil {
		t.Fatal(err)
	}
}

// What versions without a journal for Amazon's format left when they were killed
// between two renames: the older bundle comes back, and nothing else stays.
func TestKilledEC2(t *testing.T) {
	const temp, old = ".purebundle-new", ".purebundle-ec2-old"
	for _, tt := range []struct {
		name  string
		there []string
		want  []string
	}{
		{"no older one, some parts have names",
			[]string{"p.part.00", "p.part.01", ".p.part.2" + temp, ".p.manifest.xml" + temp}, nil},
		{"no older one, all parts have names", []string{"p.part.0", "p.part.1", ".p.manifest.xml" + temp}, nil},
		{"no older one, complete", []string{"p.part.0", "p.manifest.xml"}, []string{"p.part.0", "p.manifest.xml"}},
		{"older one being moved", []string{".p.manifest.xml" + old, ".p.part.0" + old, "p.part.1", ".p.part.0" + temp, ".p.manifest.xml" + temp},
			[]string{"p.manifest.xml", "p.part.0", "p.part.1"}},
		{"older one moved, new parts in place",
			[]string{".p.manifest.xml" + old, ".p.part.0" + old, "p.part.00", "p.part.01", ".p.part.2" + temp, ".p.manifest.xml" + temp},
			[]string{"p.manifest.xml", "p.part.0"}},
		{"older one replaced", []string{".p.manifest.xml" + old, ".p.part.0" + old, "p.part.00", "p.manifest.xml"},
			[]string{"p.part.00", "p.manifest.xml"}},
		{"another bundle beside it", []string{"q.part.0", "q.manifest.xml", "p.part.0", ".p.manifest.xml" + temp}, []string{"q.part.0", "q.manifest.xml"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			files(t, dir, tt.there...)
			begun(t, dir)
			wantNames(t, dir, tt.want...)
			for _, name := range tt.want { // older files have their own content again
				text, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil || string(text) != name && string(text) != "."+name+old {
					t.Errorf("%s is %q, %v", name, text, err)
				}
			}
		})
	}
}

// A journal of version 2 that was not written by a run is not acted on.
func TestJournalDamage(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "no last": journalHead + journalTail, "no end": journalHead + newLine + "p.x\n",
		"path": journalHead + oldLine + "../x\n" + newLine + "p.x\n" + journalTail, "dot file": journalHead + newLine + ".bashrc\n" + journalTail,
		"stranger": journalHead + newLine + "passwd\n" + journalTail, "other line": journalHead + "p.x\n" + journalTail,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files(t, dir, "passwd", "p.x")
			if err := os.WriteFile(filepath.Join(dir, journalName("p")), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := Begin(dir, Options{Group: "p", Last: "p.x"}); err == nil {
				t.Error("no error", s.Abort())
			}
			wantNames(t, dir, "passwd", "p.x", journalName("p"))
		})
	}
}

// A file that is replaced may be kept under another name; one that fails leaves nothing.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	publish := func(text string, opt PublishOptions) error {
		f, err := CreateFile(path, FileOptions{})
		if err != nil {
			return err
		}
		if err := f.WriteSparse([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		return f.Publish(t.Context(), opt)
	}
	if err := publish("one", PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := publish("two", PublishOptions{}); !errors.Is(err, ErrExists) {
		t.Errorf("there already: %v", err)
	}
	if err := publish("three", PublishOptions{Replace: true, Backup: ".bak"}); err != nil {
		t.Fatal(err)
	}
	wantNames(t, dir, "x", "x.bak")
	one, err1 := os.ReadFile(path + ".bak")
	three, err2 := os.ReadFile(path)
	if string(one) != "one" || string(three) != "three" {
		t.Errorf("there is %q and %q; %v", one, three, errors.Join(err1, err2))
	}
}

// TestFileLost: a temporary file that is another by the time that it is locked, or that
// it is to get its name, is neither written to nor renamed.
func TestFileLost(t *testing.T) {
	temp := fileTemp("x")
	wantText := func(dir, name, want string) {
		t.Helper()
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v; want %q", name, text, err, want)
		}
	}
	for what, swap := range map[string]func(dir string) error{
		"gone":  func(dir string) error { return os.Remove(filepath.Join(dir, temp)) },
		"named": func(dir string) error { return os.Rename(filepath.Join(dir, temp), filepath.Join(dir, "x")) },
		"another": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, temp), filepath.Join(dir, "x")), os.WriteFile(filepath.Join(dir, temp), []byte("another"), 0o600))
		},
		"a link": func(dir string) error {
			return errors.Join(os.Rename(filepath.Join(dir, temp), filepath.Join(dir, "x")), os.Symlink("x", filepath.Join(dir, temp)))
		},
	} {
		t.Run("locked "+what, func(t *testing.T) {
			dir := t.TempDir()
			files(t, dir, temp)
			d, _, err := (&way{}).reach(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			fd, err := d.left(temp) // of a run that has just ended
			if err == nil {
				err = swap(dir)
			}
			if err != nil {
				t.Fatal(err)
			}
			f := &File{dir: d, name: "x", path: filepath.Join(dir, "x")}
			if err := f.take(fd, temp); !errors.Is(err, ErrBusy) {
				t.Errorf("%v, want that it is busy", err)
			}
			if what != "gone" {
				wantText(dir, "x", temp)
			}
		})
		t.Run("published "+what, func(t *testing.T) {
			dir := t.TempDir()
			f, err := CreateFile(filepath.Join(dir, "x"), FileOptions{})
			if err == nil {
				err = errors.Join(f.WriteSparse([]byte("mine"), 0), swap(dir))
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Publish(t.Context(), PublishOptions{Replace: true}); !errors.Is(err, ErrSwapped) {
				t.Errorf("%v, want that it was swapped", err)
			}
			if what == "gone" {
				wantNames(t, dir)
			} else {
				wantText(dir, "x", "mine")
			}
			if what == "another" {
				wantText(dir, temp, "another")
			}
		})
	}
}
