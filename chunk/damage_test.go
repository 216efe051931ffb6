package chunk

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// flip changes one bit of a file.
func flip(t testing.TB, path string, off int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestDamage: verify names everything that is wrong; unbundle makes nothing.
// Where join is empty, the damage is not in the way of the image.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		break_ func(t *testing.T, dir string) // of bundle "p": parts 0 and 2 data, 1 zero
		verify []string                       // what verify says, a line each
		join   string                         // what unbundle says
	}{
		{"first byte", func(t *testing.T, dir string) { flip(t, dir+"/p.part.000", 0) },
			[]string{"p.part.000: SHA-256 is"}, "p.part.000: SHA-256 is"},
		{"last byte", func(t *testing.T, dir string) { flip(t, dir+"/p.part.002", Size-1) },
			[]string{"p.part.002: SHA-256 is"}, "p.part.002: SHA-256 is"},
		{"byte in a hole", func(t *testing.T, dir string) { flip(t, dir+"/p.part.001", 5<<20) },
			[]string{"p.part.001: SHA-256 is"}, "p.part.001: SHA-256 is"},
		{"data punched out", func(t *testing.T, dir string) {
			must(t, os.Truncate(dir+"/p.part.000", 0))
			must(t, os.Truncate(dir+"/p.part.000", Size))
		},
			[]string{"p.part.000: SHA-256 is"}, "p.part.000: SHA-256 is"},
		{"short by a byte", func(t *testing.T, dir string) { must(t, os.Truncate(dir+"/p.part.000", Size-1)) },
			[]string{"p.part.000: has 10485759 bytes instead of 10485760"}, "p.part.000: has 10485759 bytes"},
		{"long by a byte", func(t *testing.T, dir string) { must(t, os.Truncate(dir+"/p.part.002", Size+1)) },
			[]string{"p.part.002: has 10485761 bytes instead of 10485760"}, "p.part.002: has 10485761 bytes"},
		{"empty", func(t *testing.T, dir string) { must(t, os.Truncate(dir+"/p.part.001", 0)) },
			[]string{"p.part.001: has 0 bytes"}, "p.part.001: has 0 bytes"},
		{"missing", func(t *testing.T, dir string) { must(t, os.Remove(dir+"/p.part.002")) },
			[]string{"p.part.002: is missing"}, "p.part.002: is missing"},
		{"all missing", func(t *testing.T, dir string) {
			for _, n := range []string{"0", "1", "2"} {
				must(t, os.Remove(dir+"/p.part.00"+n))
			}
		}, []string{"p.part.000: is missing", "p.part.001: is missing", "p.part.002: is missing"}, "is missing"},
		{"swapped", func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/p.part.000", dir+"/x"))
			must(t, os.Rename(dir+"/p.part.002", dir+"/p.part.000"))
			must(t, os.Rename(dir+"/x", dir+"/p.part.002"))
		}, []string{"p.part.000: SHA-256 is", "p.part.002: SHA-256 is"}, "SHA-256 is"},
		{"symlink", func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/p.part.000", dir+"/x"))
			must(t, os.Symlink("x", dir+"/p.part.000"))
		}, []string{"p.part.000: is a symbolic link"}, "p.part.000: is a symbolic link"},
		{"dangling symlink", func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/p.part.000"))
			must(t, os.Symlink("nowhere", dir+"/p.part.000"))
		}, []string{"p.part.000: is a symbolic link"}, "p.part.000: is a symbolic link"},
		{"directory", func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/p.part.000"))
			must(t, os.Mkdir(dir+"/p.part.000", 0o755))
		}, []string{"p.part.000: is no regular file"}, "p.part.000: is no regular file"},
		{"FIFO", func(t *testing.T, dir string) {
			must(t, os.Remove(dir+"/p.part.000"))
			must(t, unix.Mkfifo(dir+"/p.part.000", 0o600))
		}, []string{"p.part.000: is no regular file"}, "p.part.000: is no regular file"},
		{"extra part", func(t *testing.T, dir string) { must(t, os.WriteFile(dir+"/p.part.003", nil, 0o600)) },
			[]string{"p.part.003: is named like a part"}, ""},
		{"extra name", func(t *testing.T, dir string) { must(t, os.WriteFile(dir+"/p.part.000.bak", nil, 0o600)) },
			[]string{"p.part.000.bak: is named like a part"}, ""},
		{"no sums", func(t *testing.T, dir string) { must(t, os.Remove(dir+"/p.sha256")) },
			[]string{"p.sha256: is missing"}, ""},
		{"sums digit", func(t *testing.T, dir string) { flip(t, dir+"/p.sha256", 100) },
			[]string{"p.sha256: line 2 is not"}, ""},
		{"sums short", func(t *testing.T, dir string) { must(t, os.Truncate(dir+"/p.sha256", 70)) },
			[]string{"p.sha256: line 1 is not"}, ""},
		{"sums symlink", func(t *testing.T, dir string) {
			must(t, os.Rename(dir+"/p.sha256", dir+"/x"))
			must(t, os.Symlink("x", dir+"/p.sha256"))
		}, []string{"p.sha256: is a symbolic link"}, ""},
		{"several", func(t *testing.T, dir string) {
			flip(t, dir+"/p.part.000", 4096)
			must(t, os.Remove(dir+"/p.part.001"))
			must(t, os.Remove(dir+"/p.sha256"))
			must(t, os.WriteFile(dir+"/p.part.1", nil, 0o600))
		}, []string{"p.part.000: SHA-256", "p.part.001: is missing", "p.sha256: is missing", "p.part.1: is named"}, "p.part.00"},
		{"good", func(t *testing.T, dir string) {}, nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			im := &image{parts: 3, zero: map[int]bool{1: true}}
			build(t, dir, im, Options{Prefix: "p"})
			tt.break_(t, dir)
			b, err := Load(dir, "")
			must(t, err)
			defer b.Close()
			wantLines(t, b.Verify(t.Context(), 2, nil), tt.verify)

			out := filepath.Join(t.TempDir(), "image")
			err = b.Join(t.Context(), out, JoinOptions{})
			if tt.join == "" {
				must(t, err)
				return
			}
			wantError(t, err, tt.join)
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("not ErrDamaged: %v", err)
			}
			wantNames(t, filepath.Dir(out))

			fresh, err := Load(dir, "")
			must(t, err)
			defer fresh.Close()
			n, err := io.ReadFull(io.NewSectionReader(fresh, 0, fresh.Size()), make([]byte, fresh.Size()))
			if !errors.Is(err, ErrDamaged) || n%Size != 0 {
				t.Errorf("reading gave %d bytes and %v", n, err)
			}
		})
	}
}

// wantLines checks that err has one line for each of want, in order, all ErrDamaged or about a path.
func wantLines(t testing.TB, err error, want []string) {
	t.Helper()
	if len(want) == 0 {
		must(t, err)
		return
	}
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d lines, want %d:\n%v", len(lines), len(want), err)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) {
			t.Errorf("line %q does not mention %q", line, want[i])
		}
	}
}

func TestVerifyProgress(t *testing.T) {
	dir := t.TempDir()
	build(t, dir, &image{parts: 4}, Options{Prefix: "p"})
	must(t, os.Remove(dir+"/p.part.002"))
	b, err := Load(dir, "p")
	must(t, err)
	defer b.Close()
	seen := make(map[int]int)
	if b.Verify(t.Context(), 3, func(i int) { seen[i]++ }) == nil {
		t.Error("no error")
	}
	for i := range 4 {
		if seen[i] != 1 {
			t.Errorf("part %d was reported %d times", i, seen[i])
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = b.Verify(ctx, 1, func(int) { cancel() })
	if err != context.Canceled {
		t.Errorf("cancelled: %v", err)
	}
}

// TestLoad: what a user can give in place of a bundle.
func TestLoad(t *testing.T) {
	dir := t.TempDir()
	build(t, filepath.Join(dir, "one"), &image{parts: 1}, Options{Prefix: "web"})
	build(t, filepath.Join(dir, "two"), &image{parts: 1}, Options{Prefix: "web"})
	build(t, filepath.Join(dir, "two"), &image{parts: 1}, Options{Prefix: "db"})
	for _, d := range []string{"none", "parts", "renamed", "link", "fifo", "killed", "dir"} {
		must(t, os.Mkdir(filepath.Join(dir, d), 0o755))
	}
	copyTo := func(from, to string) {
		data, err := os.ReadFile(filepath.Join(dir, from))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, to), data, 0o600))
	}
	copyTo("one/web.part.000", "parts/web.part.000")
	copyTo("one/web.manifest.json", "renamed/db.manifest.json")
	must(t, os.Symlink("../one/web.manifest.json", filepath.Join(dir, "link", "web.manifest.json")))
	must(t, os.Symlink("one", filepath.Join(dir, "dirlink")))
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo", "web.manifest.json"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "killed", partTemp("p", 0)), nil, 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "dir", "web.manifest.json"), 0o755))

	for _, tt := range []struct {
		path, prefix string
		want         []string // of the error; none: loads
	}{
		{"one", "", nil},
		{"one", "web", nil},
		{"one/web.manifest.json", "", nil},
		{"one/web.manifest.json", "web", nil},
		{"dirlink", "", nil},
		{"two", "db", nil},
		{"two/db.manifest.json", "", nil},
		{"two", "", []string{"has 2 bundles: db, web", "db.manifest.json"}},
		{"two", "x", []string{"x.manifest.json: no bundle"}},
		{"two", "../one/web", []string{"begins with '.'"}},
		{"one/web.manifest.json", "db", []string{`of "web", not of "db"`}},
		{"nowhere", "", []string{"no such file", "directory of a bundle"}},
		{"one/x.manifest.json", "", []string{"no such file"}},
		{"one/web.part.000", "", []string{"is no manifest"}},
		{"one/web.sha256", "", []string{"is no manifest"}},
		{"one/web.sha256/x", "", []string{"not a directory"}},
		{"none", "", []string{"no bundle"}},
		{"parts", "", []string{"no bundle", "parts but no manifest"}},
		{"renamed", "", []string{"db.manifest.json", `of "web"`, "renamed"}},
		{"link", "", []string{"is a symbolic link"}},
		{"fifo", "", []string{"is no regular file"}},
		{"killed", "", []string{"no bundle", "run it again"}},
		{"dir", "", []string{"is no regular file"}},
	} {
		t.Run(tt.path+","+tt.prefix, func(t *testing.T) {
			b, err := Load(filepath.Join(dir, tt.path), tt.prefix)
			if len(tt.want) > 0 {
				if err == nil {
					t.Fatal("no error")
				}
				wantText(t, err, tt.want...)
				return
			}
			must(t, err)
			must(t, b.Verify(t.Context(), 0, nil))
			must(t, b.Close())
		})
	}
}

// wantText checks what wantError does, but does not demand a hint.
func wantText(t testing.TB, err error, want ...string) {
	t.Helper()
	text := err.Error()
	if e, ok := errors.AsType[*Error](err); ok {
		text += " hint: " + e.Hint
	}
	for _, s := range want {
		if !strings.Contains(text, s) {
			t.Errorf("error %q does not mention %q", text, s)
		}
	}
}
