package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMain lets the test binary stand in for the program's children.
func TestMain(m *testing.M) {
	if os.Getenv("PUREBUNDLE_BENCH_CHILD") != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// child runs this program, and returns what it printed.
func child(t *testing.T, args ...string) (usage, []byte) {
	t.Helper()
	t.Setenv("PUREBUNDLE_BENCH_CHILD", "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	u, out, err := measure(t.Context(), append([]string{self}, args...))
	if err != nil {
		t.Fatal(err)
	}
	return u, out
}

func TestSeededTrees(t *testing.T) {
	if testing.Short() {
		t.Skip("trees are made by one goroutine each")
	}
	for letter := range makers {
		t.Run(letter, func(t *testing.T) {
			dir := t.TempDir()
			digest := func(name, seed string) string {
				path := filepath.Join(dir, name)
				child(t, "tree", "-letter", letter, "-scale", "0.001", "-seed", seed, path)
				h := sha256.New()
				err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
					if err != nil || d.IsDir() {
						return err
					}
					info, err := d.Info()
					if err != nil {
						return err
					}
					if d.Type() == fs.ModeSymlink {
						target, err := os.Readlink(name)
						fmt.Fprintf(h, "%s %s\n", name[len(path):], target)
						return err
					}
					data := make([]byte, min(info.Size(), 1<<20))
					f, err := os.Open(name)
					if err != nil {
						return err
					}
					defer f.Close()
					if _, err := f.ReadAt(data, 0); err != nil {
						return err
					}
					fmt.Fprintf(h, "%s %d %x\n", name[len(path):], info.Size(), data)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				return hex.EncodeToString(h.Sum(nil))
			}
			first := digest("first", "1")
			if digest("second", "1") != first {
				t.Error("the same seed gave another tree")
			}
			if digest("other", "2") == first {
				t.Error("another seed gave the same tree")
			}
		})
	}
}

// TestFloor compares what the floor writes with dd's padding of each file.
func TestFloor(t *testing.T) {
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	for _, d := range []string{src, dst} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := `cd "$1"
		: > a-empty; printf x > b-one; head -c 4096 /dev/urandom > c-page; head -c 25000001 /dev/urandom > d-large
		ln d-large e-link; ln -s d-large f-symlink; head -c 4097 /dev/urandom > g-more
		for f in b-one c-page d-large g-more; do dd if="$f" bs=4096 conv=sync status=none; done > ../want
		truncate -s %10485760 ../want`
	if out, err := exec.Command("/bin/sh", "-euc", script, "sh", src).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	u, _ := child(t, "floor", "-fsync", src, dst)
	check := `cd "$1"; sha256sum -c --quiet sums; cat part.* | cmp - ../want`
	if out, err := exec.Command("/bin/sh", "-euc", check, "sh", dst).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	const data, parts = 1 + 4096 + 25000001 + 4097, 3 * partSize
	if u.read < data || u.read > data+64<<10 {
		t.Errorf("%d bytes read, %d in files", u.read, data)
	}
	if u.written < parts || u.written > parts+64<<10 {
		t.Errorf("%d bytes written, %d in parts", u.written, parts)
	}
	_, out := child(t, "count", src)
	var c content
	if err := json.Unmarshal(out, &c); err != nil || c.Entries != 8 {
		t.Errorf("count: %s, %v; 8 entries wanted", out, err)
	}
}

// TestMeasure holds the figures of grandchildren against what they do.
func TestMeasure(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	script := `dd if=/dev/zero of="$1" bs=1M count=20 conv=fsync status=none; wc -c < "$1"`
	u, text, err := measure(t.Context(), []string{"/bin/sh", "-c", script, "sh", out})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(text)); got != strconv.Itoa(20<<20) {
		t.Errorf("printed %s", got)
	}
	const mib = 1 << 20
	if u.written < 20*mib || u.written > 21*mib || u.read < 20*mib || u.read > 21*mib {
		t.Errorf("%d read, %d written; 20 MiB each wanted", u.read, u.written)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(filepath.Dir(out), &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Type != unix.TMPFS_MAGIC && u.devWrite < 20*mib {
		t.Errorf("%d bytes to the device", u.devWrite)
	}
	if u.wall <= 0 || u.rss <= 0 {
		t.Errorf("wall %v, peak RSS %d", u.wall, u.rss)
	}
	if _, _, err := measure(t.Context(), []string{"/bin/sh", "-c", "echo no such luck >&2; exit 3"}); err == nil ||
		!strings.Contains(err.Error(), "exit status 3: no such luck") {
		t.Errorf("error %v", err)
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want string
	}{
		{nil, "not measured"},
		{[]float64{2}, "2.0"},
		{[]float64{3, 1}, "2.0 (1.0–3.0)"},
		{[]float64{9, 1, 2}, "2.0 (1.0–9.0)"},
	} {
		if got := spread(c.list, "%.1f"); got != c.want {
			t.Errorf("%v: %q, want %q", c.list, got, c.want)
		}
	}
}

func TestNonZero(t *testing.T) {
	name := filepath.Join(t.TempDir(), "part")
	data := make([]byte, 5*pageSize)
	data[pageSize], data[4*pageSize-1] = 1, 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := nonZero([]string{name}); n != 2*pageSize || err != nil {
		t.Errorf("%d, %v; two pages wanted", n, err)
	}
}

// TestPlanted bundles small ones of the planted trees and of those full of mounts, with a program that does
// nothing but look at what it is given.
func TestPlanted(t *testing.T) {
	if testing.Short() {
		t.Skip("trees are made by one goroutine each")
	}
	if os.Geteuid() != 0 {
		t.Skip("mounts need root")
	}
	dir := t.TempDir()
	fake := filepath.Join(dir, "fake")
	script := `#!/bin/sh
		case $1 in bundle) tree=$(eval echo '${'$(($# - 1))'}');; *) tree=$2;; esac
		echo "$tree $(find "$tree" | wc -l) $(grep -c " $tree/" /proc/self/mountinfo)" >> ` + dir + `/seen
		exit $([ "$1" = mounts ] && echo 0 || echo 3)
	`
	if err := os.WriteFile(fake, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PUREBUNDLE_BENCH_CHILD", "1")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	b := &bench{config: config{purebundle: fake, self: self, dir: filepath.Join(dir, "work"), rounds: 1, scale: 0.004, seed: 1, trees: "H"},
		ctx: t.Context(), log: t.Output()}
	if err := os.Mkdir(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := b.contestH(); err != nil {
		t.Fatal(err)
	}
	b.scale = 0.001
	if err := b.contestM(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("status 3 of a tree full of mounts: %v", err)
	}
	b.report(&out)
	text, err := os.ReadFile(filepath.Join(dir, "seen"))
	if err != nil {
		t.Fatal(err)
	}
	seen := string(text)
	for _, want := range []string{"H1-seed1-scale0.004 81 ", "H1-seed1-scale0.002 41 ", "H2-seed1-scale0.004 1002 ", "H3-seed1-scale0.004 4002 ",
		"H4-seed1-scale0.004 8002 ", "H5-seed1-scale0.004 402 ", "H6-seed1-scale0.004 402 ", "tree-M 32 30\n", "tree-M1 17 15\n"} {
		if !strings.Contains(seen, want) {
			t.Errorf("no tree %q in:\n%s", want, seen)
		}
	}
	for _, want := range []string{"| H1: time an entry against half as many |", "| H5: peak RSS in MiB |", "| H6: peak RSS in MiB |", "H1: 10,000 directories inside one another, a file in each, times 0.004; 81 entries"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	left, err := filepath.Glob(filepath.Join(b.dir, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
