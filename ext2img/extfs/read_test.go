package extfs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"purebundle/ext2img/imgtest"
)

func TestMke2fsImages(t *testing.T) {
	imgtest.RequireRoot(t)
	src := t.TempDir()
	imgtest.RandomTree(t, 1, src, imgtest.RandomOptions{BlockSize: 1024})
	for _, g := range geometries() {
		t.Run(g.name, func(t *testing.T) {
			image := makeImage(t, "256M", append([]string{"-d", src}, g.args...)...)
			imgtest.Fsck(t, image)
			f := open(t, image)
			wantClean(t, f)
			compare(t, f, imgtest.Mount(t, image))
		})
	}
}

// TestKernelImages fills images by the kernel: the torture pieces, a random
// tree, hashed directories, deep extent trees, and what deleting leaves.
func TestKernelImages(t *testing.T) {
	imgtest.RequireRoot(t)
	for _, g := range geometries() {
		t.Run(g.name, func(t *testing.T) {
			image := makeImage(t, "1G", append([]string{"-N", "60000"}, g.args...)...)
			blockSize := open(t, image).sb.blockSize
			dir := imgtest.MountRW(t, image)
			for _, p := range imgtest.Torture() {
				// Small blocks and small inodes hold less.
				if blockSize < 4096 && (p.Name == "symlinks" || p.Name == "xattrs" || p.Name == "acls" || p.Name == "sparse") {
					continue
				}
				if g.name == "4k-nocsum-128" && p.Name == "sparse" {
					continue
				}
				p.Make(t, mkdir(t, dir, p.Name))
			}
			imgtest.RandomTree(t, 7, mkdir(t, dir, "random"), imgtest.RandomOptions{BlockSize: blockSize})
			imgtest.TortureManyNames(t, mkdir(t, dir, "many-names"), 20000)
			imgtest.TortureSubdirs(t, mkdir(t, dir, "subdirs"), 500)
			deepExtents(t, filepath.Join(dir, "deep-extents"), int64(blockSize), 3000)
			for i := 0; i < 20000; i += 3 {
				os.Remove(filepath.Join(dir, "many-names", fmt.Sprintf("%s%06d", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[:1+i%60], i)))
			}
			imgtest.Unmount(t, dir)
			imgtest.Fsck(t, image)
			f := open(t, image)
			wantClean(t, f)
			compare(t, f, imgtest.Mount(t, image))
		})
	}
}

func mkdir(t testing.TB, dir, name string) string {
	t.Helper()
	sub := filepath.Join(dir, name)
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	return sub
}

// deepExtents writes every other block, so that each is an extent.
func deepExtents(t testing.TB, path string, blockSize int64, extents int) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i := range extents {
		if _, err := file.WriteAt(fmt.Appendf(nil, "extent %d", i), int64(2*i)*blockSize); err != nil {
			t.Fatal(err)
		}
	}
}
