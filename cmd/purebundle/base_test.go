package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/ext2img/imgtest"
)

// noisy writes a file of n bytes that are not zero.
func noisy(t *testing.T, name string, n int) {
	t.Helper()
	b := bytes.Repeat([]byte(filepath.Base(name)+"\n"), n/(len(filepath.Base(name))+1)+1)
	if err := os.WriteFile(name, b[:n], 0o644); err != nil {
		t.Fatal(err)
	}
}

// bundleOn bundles src to out, with a base unless that is "", and returns the summary and
// what was said.
func bundleOn(t *testing.T, src, out, base string, more ...string) (s create.Summary, said string) {
	t.Helper()
	args := append([]string{"bundle", "--json", "--no-filter", "--no-default-excludes"}, more...)
	if base != "" {
		args = append(args, "--base", base)
	}
	code, stdout, stderr := call(append(args, src, out)...)
	if code != cli.StatusDone {
		t.Fatalf("bundle: status %d\n%s", code, stderr)
	}
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatal(err)
	}
	return s, stderr
}

// judgeBundle verifies a bundle of src and compares src with what the kernel mounts.
func judgeBundle(t *testing.T, src, out string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "image")
	for _, args := range [][]string{{"verify", "-q", "--deep", out}, {"unbundle", "-q", out, image}} {
		if code, stdout, stderr := call(args...); code != cli.StatusDone {
			t.Fatalf("%s: status %d\n%s%s", args[0], code, stdout, stderr)
		}
	}
	judgeImage(t, src, image)
}

// judgeImage compares src with what the kernel mounts of an image of it, which e2fsck accepts.
func judgeImage(t *testing.T, src, image string) {
	t.Helper()
	imgtest.Fsck(t, image)
	mnt := imgtest.Mount(t, image)
	imgtest.Compare(t, src, mnt, imgtest.CompareOptions{})
	imgtest.Unmount(t, mnt)
}

// settle makes a test parallel, and returns when the files that it has made are such as a
// base may vouch for: the tests before it have taken that long, unless it runs alone.
func settle(t *testing.T) {
	t.Helper()
	settled := time.Now().Add(11 * time.Second)
	t.Parallel()
	time.Sleep(time.Until(settled))
}

// TestBaseIsNotRead bundles a tree in which nothing changed, and one with one more file,
// after the time in which a write may go on.
func TestBaseIsNotRead(t *testing.T) {
	imgtest.RequireRoot(t)
	top := t.TempDir()
	src := subdir(t, top, "src")
	for i := range 5 {
		noisy(t, filepath.Join(src, fmt.Sprint("f", i)), 7<<20)
	}
	settle(t)
	out := func(n int) string { return filepath.Join(top, fmt.Sprint(n)) }
	bundleOn(t, src, out(0), "")
	if s, said := bundleOn(t, src, out(1), out(0)); s.FilesRead != 0 || s.BytesRead != 0 || s.KeptParts < 3 {
		t.Errorf("nothing changed: %d files read, %d parts kept: %s", s.FilesRead, s.KeptParts, said)
	}
	judgeBundle(t, src, out(1))
	noisy(t, filepath.Join(src, "new"), 5000)
	s, _ := bundleOn(t, src, out(2), out(1))
	if s.FilesRead != 1 || s.BytesRead != 5000 {
		t.Errorf("one file more: %d files read, %d bytes", s.FilesRead, s.BytesRead)
	}
	judgeBundle(t, src, out(2))
	if s, _ := bundleOn(t, src, out(3), out(2), "--reread"); s.FilesRead != 6 || s.KeptParts < 3 {
		t.Errorf("--reread: %d files read, %d parts kept", s.FilesRead, s.KeptParts)
	}
	if s, _ := bundleOn(t, src, out(4), out(2), "--dry-run"); s.KeptParts < 3 || s.Base == "" {
		t.Errorf("--dry-run: base %q, %d parts kept", s.Base, s.KeptParts)
	}
	// A hard link, or a clone, takes no room: damage to the base is damage here, and a
	// part that was written to since is not taken.
	part := filepath.Join(out(2), "image.part.002")
	b, err := os.ReadFile(part)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2]++
	if err := os.Remove(part); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, b, 0o600); err != nil {
		t.Fatal(err)
	}
	bundleOn(t, src, out(5), out(2))
	judgeBundle(t, src, out(5))
}

// TestUselessBases has bases that are of no use: a line says why, and the bundle is right.
func TestUselessBases(t *testing.T) {
	imgtest.RequireRoot(t)
	top := t.TempDir()
	src := subdir(t, top, "src")
	for i := range 3 {
		noisy(t, filepath.Join(src, fmt.Sprint("f", i)), 7<<20)
	}
	edit := func(pattern, with string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			name := filepath.Join(dir, chunk.ManifestName("image"))
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			again := regexp.MustCompile(pattern).ReplaceAll(text, []byte(with))
			if bytes.Equal(text, again) {
				t.Fatalf("%q is not in the manifest", pattern)
			}
			if err := os.WriteFile(name, again, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n, c := range []struct {
		name string
		harm func(t *testing.T, dir string)
		why  string
	}{
		{"another machine", edit(`"host": "[^"]*"`, `"host": "other"`), "another machine"},
		{"another SOURCE", edit(`"source": "[^"]*"`, `"source": "/other"`), "SOURCE /other"},
		{"another version", edit(`"tool": "[^"]*"`, `"tool": "purebundle 0.1"`), "was made by purebundle 0.1"},
		{"no sync", edit(` "synced": "[^"]*",\n`, ``), "had synced"},
		{"of the future", edit(`"synced": "[^"]*"`, `"synced": "2099-01-01T00:00:00Z"`), "future"},
		{"no manifest", func(t *testing.T, dir string) { os.Remove(filepath.Join(dir, chunk.ManifestName("image"))) }, "no bundle"},
		{"not there", func(t *testing.T, dir string) { os.RemoveAll(dir) }, "no such file"},
		{"damaged", func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "image.part.000"), make([]byte, chunk.Size), 0o600); err != nil {
				t.Fatal(err)
			}
		}, "SHA-256 is"},
	} {
		t.Run(c.name, func(t *testing.T) {
			base, out := filepath.Join(top, fmt.Sprint("base", n)), filepath.Join(top, fmt.Sprint("out", n))
			bundleOn(t, src, base, "")
			c.harm(t, base)
			s, said := bundleOn(t, src, out, base)
			if s.Base != "" || strings.Count(said, "is not used as the base") != 1 || !strings.Contains(said, c.why) {
				t.Errorf("base %q: %s", s.Base, said)
			}
			judgeBundle(t, src, out)
		})
	}
}

// TestBaseDisk makes a new disk of a tree again and again: its names, and those of its
// partitions, stay, though nothing in the tree says them.
func TestBaseDisk(t *testing.T) {
	root := uefiTree(t)
	for i := range 3 {
		noisy(t, filepath.Join(root, fmt.Sprint("f", i)), 9<<20)
	}
	settle(t)
	top := t.TempDir()
	var first *chunk.Disk
	base := ""
	for gen := range 3 {
		out, disk := filepath.Join(top, fmt.Sprint(gen)), filepath.Join(top, "disk")
		if gen == 2 {
			noisy(t, filepath.Join(root, "more"), 5000)
		}
		s, said := bundleOn(t, root, out, base, "--disk", "--free", "100%")
		if gen > 0 && (s.Base == "" || s.KeptParts < 4 || s.BytesRead > 2*chunk.Size || s.Parts-s.ZeroParts-s.KeptParts > 3) {
			t.Errorf("generation %d: base %q, %d bytes read, %d of %d parts kept: %s", gen, s.Base, s.BytesRead, s.KeptParts, s.Parts-s.ZeroParts, said)
		}
		for _, args := range [][]string{{"verify", "-q", "--deep", out}, {"unbundle", "-q", "--force", out, disk}} {
			if code, stdout, stderr := call(args...); code != cli.StatusDone {
				t.Fatalf("%s: status %d\n%s%s", args[0], code, stdout, stderr)
			}
		}
		if verify := imgtest.Run(t, "sgdisk", "-v", disk); !strings.Contains(verify, "No problems found") {
			t.Error(verify)
		}
		d := s.Disk
		for _, p := range d.Partitions {
			if p.Root {
				image := disk + ".root"
				imgtest.Run(t, "dd", "if="+disk, "of="+image, "bs=1M", "iflag=skip_bytes,count_bytes", fmt.Sprint("skip=", p.Start), fmt.Sprint("count=", p.Size), "conv=sparse", "status=none")
				imgtest.Fsck(t, image)
				mnt := imgtest.Mount(t, image)
				imgtest.Compare(t, root, mnt, imgtest.CompareOptions{Scope: func(path string) imgtest.Scope {
					if path == "/etc" || strings.HasPrefix(path, "/etc/fstab") { // which is edited
						return imgtest.Ignore
					}
					return 0
				}})
				imgtest.Unmount(t, mnt)
			}
		}
		if first == nil {
			first = d
		} else if !reflect.DeepEqual(first, d) {
			t.Errorf("generation %d: the disk was\n%+v, is\n%+v", gen, first, d)
		}
		base = out
	}
	if s, said := bundleOn(t, root, filepath.Join(top, "plain"), base); s.Base != "" || !strings.Contains(said, "it is a whole disk") {
		t.Errorf("no disk on one: base %q: %s", s.Base, said)
	}
}

// TestBaseUsage has what --base does not go with.
func TestBaseUsage(t *testing.T) {
	top := t.TempDir()
	for _, c := range [][]string{
		{"--reread", top, top + "/out"},
		{"--base", top + "/old", "--time", "@1700000000", top, top + "/out"},
		{"--base", "s3://", top, top + "/out"},
		{"--base", "gs://b/old", top, top + "/out"},
	} {
		if code, _, stderr := call(append([]string{"bundle"}, c...)...); code != cli.StatusUsage {
			t.Errorf("%v: status %d: %s", c, code, stderr)
		}
	}
}
