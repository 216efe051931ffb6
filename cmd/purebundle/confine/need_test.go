package confine

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// What root needs is what a directory, a file in it or the way there takes from
// whoever is not its owner.
func TestNeeds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make files of others")
	}
	power := []Capability{Override, Owner}
	read := []Capability{ReadSearch}
	for _, c := range []struct {
		name        string
		path        string // that is given another owner and mode; "": none
		uid         int
		mode        os.FileMode
		write, read []Capability
	}{
		{"all root's", "", 0, 0, nil, nil},
		{"root's, closed", "d", 0, 0o700, nil, nil},
		{"root's, without permission", "d", 0, 0o500, power, nil},
		{"another's", "d", 65534, 0o755, power, nil},
		{"another's, closed", "d", 65534, 0o700, power, read},
		{"another's file", "d/f", 65534, 0o600, nil, read},
		{"another's open file", "d/f", 65534, 0o644, nil, nil},
		{"in another's closed directory", ".", 65534, 0o700, nil, read},
		{"in another's open directory", ".", 65534, 0o711, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := openDir(t)
			dir := filepath.Join(top, "d")
			file := filepath.Join(dir, "f")
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.path != "" {
				p := filepath.Join(top, c.path)
				if err := os.Chown(p, c.uid, c.uid); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(p, c.mode); err != nil {
					t.Fatal(err)
				}
			}
			if got := ForWriting(dir); !slices.Equal(got, c.write) {
				t.Errorf("to write: %v, want %v", got, c.write)
			}
			for _, p := range []string{dir, file} {
				if got := ForReading(p); !slices.Equal(got, c.read) {
					t.Errorf("to read %s: %v, want %v", p, got, c.read)
				}
			}
		})
	}
	if got := ForReading("/nowhere/at/all"); !slices.Equal(got, read) {
		t.Errorf("to read what is not there: %v", got)
	}
}
