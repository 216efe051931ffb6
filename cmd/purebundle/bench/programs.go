package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
)

// made is what purebundle says of its image, and what is in the parts.
type made struct {
	ImageSize int64 `json:"image_size"`
	Inodes    int64 `json:"inodes"`
	NonZero   int64 `json:"-"` // bytes in blocks of 4 KiB that are not all zero
}

// bundle returns a run of purebundle with flags. What it made in the warm-up goes to m.
func (b *bench) bundle(name string, t *tree, m *made, flags ...string) *program {
	p := &program{name: name, tree: t, hot: t.path}
	p.argv = func(out string) []string {
		return append(append([]string{b.purebundle, "bundle", "--json", "--progress=none"}, flags...), t.path, out)
	}
	if m == nil {
		return p
	}
	p.look = func(out, text string) error {
		if err := json.Unmarshal([]byte(text), m); err != nil {
			return fmt.Errorf("the summary: %w", err)
		}
		parts, err := partFiles(out)
		if err != nil {
			return err
		}
		m.NonZero, err = nonZero(parts)
		return err
	}
	return p
}

func partFiles(dir string) ([]string, error) {
	parts, err := filepath.Glob(filepath.Join(dir, "image.part.*"))
	if err == nil && len(parts) == 0 {
		err = fmt.Errorf("%s: no parts", dir)
	}
	return parts, err
}

// nonZero counts the bytes in pages that are not all zero.
func nonZero(files []string) (n int64, err error) {
	buf := make([]byte, 1<<20)
	var zero [pageSize]byte
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return 0, err
		}
		for err == nil {
			var k int
			k, err = io.ReadFull(f, buf)
			for page := range slices.Chunk(buf[:k], pageSize) {
				if !bytes.Equal(page, zero[:len(page)]) {
					n += int64(len(page))
				}
			}
		}
		f.Close()
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, err
		}
	}
	return n, nil
}

// floor returns a run of the floor with flags.
func (b *bench) floor(name string, t *tree, flags ...string) *program {
	return &program{name: name, tree: t, hot: t.path, argv: func(out string) []string {
		return append(append([]string{b.self, "floor"}, flags...), t.path, out)
	}}
}

// peerTools are the commands that each peer calls.
var peerTools = []struct {
	peer  string
	tools []string
}{
	{mke2fsAlone, []string{"mke2fs"}},
	{mke2fsSplit, []string{"mke2fs", "split", "sha256sum"}},
	{rsyncRecipe, []string{"rsync", "mkfs.ext4", "mount", "umount", "split", "sha256sum"}},
	{"sha256sum", []string{"sha256sum"}},
	{"openssl dgst", []string{"openssl"}},
}

const (
	mke2fsAlone = "mke2fs -d"
	mke2fsSplit = "mke2fs -d, split, sha256sum"
	rsyncRecipe = "rsync into a loop mount, split, sha256sum"
)

// missingPeers says which peers cannot run here.
func missingPeers() (list []string) {
	for _, p := range peerTools {
		for _, tool := range p.tools {
			if _, err := exec.LookPath(tool); err != nil {
				list = append(list, fmt.Sprintf("%s is missing: %s is not installed", p.peer, tool))
				break
			}
		}
	}
	if os.Geteuid() != 0 {
		list = append(list, rsyncRecipe+" is missing, and so are cold caches: they need root")
	}
	return list
}

// installed says whether a peer can run here.
func installed(peer string) bool {
	if peer == rsyncRecipe && os.Geteuid() != 0 {
		return false
	}
	for _, p := range peerTools {
		if p.peer != peer {
			continue
		}
		for _, tool := range p.tools {
			if _, err := exec.LookPath(tool); err != nil {
				return false
			}
		}
	}
	return true
}

// recipes make, from $SRC, an image of $SIZE bytes with $INODES inodes, and all
// but the first its parts.
var recipes = map[string]string{
	mke2fsAlone: `mke2fs -q -F -t ext4 -b 4096 -N "$INODES" -d "$SRC" "$OUT/image" "${SIZE}k"`,
	mke2fsSplit: `mke2fs -q -F -t ext4 -b 4096 -N "$INODES" -d "$SRC" "$OUT/image" "${SIZE}k"
		cd "$OUT"
		split -b 10485760 -d -a 5 image part.
		sha256sum part.* > sums`,
	rsyncRecipe: `cd "$OUT"
		truncate -s "${SIZE}K" image
		mkfs.ext4 -q -F -b 4096 -N "$INODES" image
		mkdir mnt
		mount -o loop image mnt
		trap 'umount mnt' EXIT
		rsync -aHAXS "$SRC/" mnt/
		umount mnt
		trap - EXIT
		split -b 10485760 -d -a 5 image part.
		sha256sum part.* > sums`,
}

// recipe returns one of the recipes, for an image like m; nil if it cannot run.
func (b *bench) recipe(peer string, t *tree, m *made) *program {
	if !installed(peer) {
		return nil
	}
	return &program{name: peer, tree: t, hot: t.path, argv: func(out string) []string {
		script := fmt.Sprintf("set -eu\nSRC=$1 OUT=$2 SIZE=%d INODES=%d\n%s\n", m.ImageSize>>10, m.Inodes, recipes[peer])
		return []string{"/bin/sh", "-c", script, "sh", t.path, out}
	}}
}

// digester returns a tool that prints the SHA-256 of files of dir, all in one process.
func (b *bench) digester(name string, t *tree, dir string, parts []string, argv ...string) *program {
	if !installed(name) {
		return nil
	}
	return &program{name: name, tree: t, hot: dir, argv: func(string) []string { return slices.Concat(argv, parts) }}
}

// shared returns a run of sha256sum once a processor, each on a share of the files.
func (b *bench) shared(name string, t *tree, dir string, parts []string) *program {
	if !installed("sha256sum") {
		return nil
	}
	script := `n=$1; shift; printf '%s\0' "$@" | xargs -0 -n 4 -P "$n" sha256sum`
	return &program{name: name, tree: t, hot: dir, argv: func(string) []string {
		return slices.Concat([]string{"/bin/sh", "-c", script, "sh", strconv.Itoa(runtime.NumCPU())}, parts)
	}}
}
