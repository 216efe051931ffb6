package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/imgtest"
)

// TestMountsLikeBundle checks that mounts shows with each flag what bundle does with
// it, and that each flag changes something.
func TestMountsLikeBundle(t *testing.T) {
	imgtest.RequireRoot(t)
	imgtest.NeedTool(t, "btrfs")
	root := t.TempDir()
	mountDisk(t, root, 256<<20, "mkfs.btrfs", "-q")
	put(t, root, map[string]string{"data/x": "", "root/.gnupg/private-keys-v1.d/k": ""})
	at := func(dir string, args ...string) {
		t.Helper()
		point := subdir(t, root, dir)
		imgtest.Run(t, "mount", append(args, point)...)
		t.Cleanup(func() { imgtest.Unmount(t, point) })
	}
	imgtest.Run(t, "btrfs", "subvolume", "create", root+"/sub")
	imgtest.Run(t, "btrfs", "subvolume", "snapshot", "-r", root+"/sub", root+"/old")
	at("last-week", "--bind", root+"/old")
	at("bound", "--bind", root+"/data")
	at("keys", "--bind", root+"/root/.gnupg/private-keys-v1.d")
	at("memory", "-t", "tmpfs", "none")
	mountDisk(t, subdir(t, root, "disk"), 16<<20, "mkfs.ext4", "-q")
	mountDisk(t, subdir(t, root, "mnt/disk"), 16<<20, "mkfs.ext4", "-q")
	patterns := filepath.Join(t.TempDir(), "patterns")
	if err := os.WriteFile(patterns, []byte("data/**\n"), 0o600); err != nil {
		t.Fatal(err)
	}

	plain := crossedBy(t, root)
	if want := "/ /disk"; plain != want {
		t.Errorf("crossed: %s, want %s", plain, want)
	}
	for flags, want := range map[string]string{
		"-x":                     "/",
		"--one-file-system":      "/",
		"-e /disk":               "/",
		"-e /data/**":            "/ /bound /disk",
		"-e data":                "/ /bound /disk",
		"--exclude-from FILE":    "/ /bound /disk",
		"-i /mnt/disk":           "/ /disk /mnt/disk",
		"--cross /memory":        "/ /disk /memory",
		"-x --cross /memory":     "/ /memory",
		"--snapshots":            "/ /disk",
		"--snapshots -e /old":    "/ /disk /last-week",
		"--no-default-excludes":  "/ /disk /mnt/disk",
		"--no-filter -e /root/*": "/ /disk /keys",
		"--bundles":              plain,
	} {
		if got := crossedBy(t, root, strings.Fields(strings.ReplaceAll(flags, "FILE", patterns))...); got != want {
			t.Errorf("%s: crossed %s, want %s", flags, got, want)
		}
	}
}

// crossedBy gives the mounts that "mounts" says are crossed, and checks that a dry run
// of "bundle" says the same of all of them.
func crossedBy(t *testing.T, root string, flags ...string) string {
	t.Helper()
	code, stdout, stderr := call(append([]string{"mounts", "--json", root}, flags...)...)
	if code != cli.StatusDone {
		t.Fatalf("mounts %q: status %d: %s", flags, code, stderr)
	}
	var shown []chunk.Mount
	if err := json.Unmarshal([]byte(stdout), &shown); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = call(append([]string{"bundle", "-n", "--json", root, t.TempDir()}, flags...)...)
	var sum struct {
		Plan struct{ Mounts []chunk.Mount }
	}
	if err := json.Unmarshal([]byte(stdout), &sum); err != nil {
		t.Fatalf("bundle %q: status %d: %v: %s", flags, code, err, stderr)
	}
	if len(shown) < 7 || !slices.Equal(shown, sum.Plan.Mounts) {
		t.Errorf("%q: mounts shows\n%v\nbundle has\n%v", flags, shown, sum.Plan.Mounts)
	}
	var crossed []string
	for _, m := range shown {
		if m.Action == "crossed" {
			crossed = append(crossed, string(m.Path))
		}
	}
	slices.Sort(crossed)
	return strings.Join(crossed, " ")
}
