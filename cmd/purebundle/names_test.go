package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// An image of an XFS or a btrfs has its UUID, and its label if ext4 can hold it: fstab
// and boot loader name the root by them.
func TestNamesOfSource(t *testing.T) {
	imgtest.RequireRoot(t)
	long := "a label of thirty-one characters"
	for name, c := range map[string]struct {
		size        int64
		mkfs        []string
		args        []string
		label, warn string
	}{
		"xfs":             {320 << 20, []string{"mkfs.xfs", "-q", "-L", "root"}, nil, "root", ""},
		"btrfs":           {128 << 20, []string{"mkfs.btrfs", "-q", "-L", "root"}, nil, "root", ""},
		"a long label":    {128 << 20, []string{"mkfs.btrfs", "-q", "-L", long}, nil, "", long},
		"a label instead": {128 << 20, []string{"mkfs.btrfs", "-q", "-L", long}, []string{"--label", "other"}, "other", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir, want := t.TempDir(), uuid.New().String()
			image, mnt := filepath.Join(dir, "image"), filepath.Join(dir, "mnt")
			if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, c.size), os.Mkdir(mnt, 0o755)); err != nil {
				t.Fatal(err)
			}
			as := []string{"-U", want}
			if c.mkfs[0] == "mkfs.xfs" {
				as = []string{"-m", "uuid=" + want}
			}
			imgtest.Run(t, c.mkfs[0], append(append(c.mkfs[1:], as...), image)...)
			imgtest.Run(t, "mount", "-o", "loop", image, mnt)
			t.Cleanup(func() { imgtest.Unmount(t, mnt) })
			code, _, stderr := call(append(append([]string{"bundle", "--progress", "none"}, c.args...), mnt, filepath.Join(dir, "dest"))...)
			if code != cli.StatusDone {
				t.Fatalf("status %d: %s", code, stderr)
			}
			b, err := chunk.Load(filepath.Join(dir, "dest"), "")
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			m := b.Manifest()
			warned := len(m.Warnings) == 1 && strings.Contains(m.Warnings[0].Text, c.warn)
			if m.Image.UUID != want || m.Image.Label != c.label || warned != (c.warn != "") {
				t.Errorf("UUID %s, label %q, want %s and %q; warnings %v", m.Image.UUID, m.Image.Label, want, c.label, m.Warnings)
			}
		})
	}
}
