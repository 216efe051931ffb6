package ext2img

import (
	"context"
	"fmt"
	"io"
	iofs "io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/filesystem/ext4"

	"purebundle/ext2img/extfs"
	"purebundle/ext2img/internal/ondisk"
	"purebundle/ext2img/internal/sparse"
)

// SecondReading is what go-diskfs has read of an image.
type SecondReading struct {
	Names int64 // names whose inodes it has read
	Left  int64 // directories that it has not read, see unreadable; what is below them is not counted
}

// maxLookups bounds the directory entries that go-diskfs looks through in all:
// it reads every directory on the way to each.
const maxLookups = 50_000_000

// ReadAgain walks every name of the image with go-diskfs and reports where it
// sees another name or inode than fs does. fs must have passed Check: go-diskfs
// v1.9.4 trusts what it reads.
func ReadAgain(ctx context.Context, fs *extfs.FS, r io.ReaderAt, size int64, report func(path, text string)) (s SecondReading, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("go-diskfs: %v", p)
		}
	}()
	other, err := ext4.Read(readOnly{r: r}, size, 0, 512)
	if err != nil {
		return s, fmt.Errorf("go-diskfs: %w", err)
	}
	root, err := fs.Root()
	if err != nil {
		return s, err
	}
	w := secondWalk{ctx: ctx, fs: fs, other: other, report: report, left: maxLookups}
	err = w.dir(root, ".", 0)
	return w.seen, err
}

type secondWalk struct {
	ctx    context.Context
	fs     *extfs.FS
	other  *ext4.FileSystem
	report func(path, text string)
	left   int64 // lookups
	seen   SecondReading
}

// dir compares a directory and all below it; way is the number of entries in
// the directories above.
func (w *secondWalk) dir(n *extfs.Inode, name string, way int64) error {
	want, err := w.fs.ReadDirSorted(n)
	if err != nil {
		return err
	}
	want = slices.DeleteFunc(want, func(e extfs.DirEntry) bool { return e.Name == "." || e.Name == ".." })
	way += int64(len(want)) + 1
	if way > w.left || unreadable(name, want) {
		w.seen.Left++
		return w.ctx.Err()
	}
	w.left -= way
	got, err := w.other.ReadDir(name)
	if err != nil {
		return fmt.Errorf("go-diskfs: %w", err)
	}
	slices.SortFunc(got, func(a, b iofs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	if len(got) != len(want) {
		w.report("/"+name, fmt.Sprintf("%d names, go-diskfs reads %d", len(want), len(got)))
		return nil
	}
	for i, e := range want {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		below := path.Join(name, e.Name)
		n, err := w.fs.Inode(e.Ino)
		if err != nil {
			return err
		}
		info, err := got[i].Info()
		if err != nil {
			return fmt.Errorf("go-diskfs: %w", err)
		}
		w.seen.Names++
		if text := differs(e, n, info); text != "" {
			w.report("/"+below, text)
		}
		if n.IsDir() {
			if err := w.dir(n, below, way); err != nil {
				return err
			}
		}
	}
	return nil
}

// unreadable says whether go-diskfs v1.9.4 cannot read a directory: it takes
// paths that are UTF-8 only, and panics on names of more than 247 bytes, whose
// end it counts in 8 bits.
func unreadable(name string, names []extfs.DirEntry) bool {
	return !utf8.ValidString(name) || slices.ContainsFunc(names, func(e extfs.DirEntry) bool { return len(e.Name) > 247 })
}

// differs says what go-diskfs reads otherwise.
func differs(e extfs.DirEntry, n *extfs.Inode, info iofs.FileInfo) string {
	st, _ := info.Sys().(*ext4.StatT)
	switch {
	case info.Name() != e.Name:
		return fmt.Sprintf("go-diskfs reads the name %q", info.Name())
	case st == nil || st.Ino != n.Ino:
		return fmt.Sprintf("inode %d, go-diskfs reads another", n.Ino)
	case info.Mode().Type() != fileMode(n.Mode):
		return fmt.Sprintf("mode %#o, go-diskfs reads %s", n.Mode, info.Mode())
	case info.Size() != n.Size:
		return fmt.Sprintf("%d bytes, go-diskfs reads %d", n.Size, info.Size())
	case st.UID != n.UID || st.GID != n.GID:
		return fmt.Sprintf("owner %d:%d, go-diskfs reads %d:%d", n.UID, n.GID, st.UID, st.GID)
	case uint32(st.Nlink) != n.Nlink && n.Nlink <= math.MaxUint16:
		return fmt.Sprintf("%d links, go-diskfs reads %d", n.Nlink, st.Nlink)
	}
	return ""
}

// fileMode gives the type in an st_mode as io/fs has it. Permissions are not
// compared: v1.9.4 leaves them out of what it reads with a directory.
func fileMode(mode uint32) iofs.FileMode {
	switch mode & ondisk.SIFMT {
	case ondisk.SIFDIR:
		return iofs.ModeDir
	case ondisk.SIFLNK:
		return iofs.ModeSymlink
	case ondisk.SIFCHR:
		return iofs.ModeDevice | iofs.ModeCharDevice
	case ondisk.SIFBLK:
		return iofs.ModeDevice
	case ondisk.SIFIFO:
		return iofs.ModeNamedPipe
	case ondisk.SIFSOCK:
		return iofs.ModeSocket
	}
	return 0
}

// readOnly gives go-diskfs an image to read.
type readOnly struct {
	sparse.NoFile
	r io.ReaderAt
}

func (s readOnly) ReadAt(p []byte, off int64) (int, error) { return s.r.ReadAt(p, off) }

func (s readOnly) Writable() (backend.WritableFile, error) {
	return nil, backend.ErrIncorrectOpenMode
}
