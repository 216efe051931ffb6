package walker

import (
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkWalk walks 20,000 empty files in 200 directories; an operation is the whole walk.
func BenchmarkWalk(b *testing.B) {
	dir := b.TempDir()
	for d := range 200 {
		sub := filepath.Join(dir, fmt.Sprintf("directory-%d", d))
		must(b, unix.Mkdir(sub, 0o755))
		for f := range 100 {
			must(b, unix.Mknod(filepath.Join(sub, fmt.Sprintf("some-file-name-%d", f)), unix.S_IFREG|0o644, 0))
		}
	}
	for _, g := range guards() {
		b.Run(g.name, func(b *testing.B) {
			if g.mode == cloneMode {
				needRoot(b)
			}
			b.ReportAllocs()
			entries := 0
			for b.Loop() {
				tree, err := Walk(b.Context(), dir, Options{mode: g.mode}, func(*Entry) error { entries++; return nil })
				must(b, err)
				must(b, tree.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(entries), "ns/entry")
		})
	}
}

// BenchmarkOpen opens and closes files, directory by directory; an operation is one file.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	var paths []string
	for d := range 20 {
		for f := range 50 {
			p := fmt.Sprintf("/directory-%d/sub/file-%d", d, f)
			makeTree(b, dir, p+"=x")
			paths = append(paths, p)
		}
	}
	res := walk(b, dir, Options{})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f, err := openFile(res.Tree, paths[i%len(paths)])
		must(b, err)
		must(b, f.Close())
	}
}
