package look

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img/extfs"
)

// lister prints names of one image.
type lister struct {
	fs              *inside
	w               *bufio.Writer
	long, recursive bool
	name            func(string) string // how a name is written
	end             string              // after each name
	listed          map[inode]bool      // directories that were listed
}

// inode is the identity of one in an image.
type inode struct {
	fs     *extfs.FS
	number uint32
}

func NewLs(a *cli.App) *cobra.Command {
	l := &lister{}
	var prefix string
	var zero bool
	var place cli.S3
	cmd := &cobra.Command{
		Use:   "ls [flags] BUNDLE [PATH]",
		Short: "List a directory of the image, without joining it",
		Long: `List PATH (default /) of the image in BUNDLE: the names in a directory, in byte
order, or the one file. Nothing is joined or mounted, and root is not needed;
the digest of each part that is read is checked.

With -l: mode, links, uid, gid, size (or device number), mtime in UTC, name and
the target of a symlink. On a terminal, odd bytes in names are shown as \xNN.`,
		Example: `  purebundle ls /mnt/bundle /etc
  purebundle ls -lR /mnt/bundle /var/log
  purebundle ls s3://my-bucket/web-2026-11-22 /etc`,
		Args: cli.ArgsBetween(1, 2, "BUNDLE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := place.Check(cmd, args[0]); err != nil {
				return err
			}
			l.name, l.end = nameWriter(a.Stdout), "\n"
			if zero {
				l.name, l.end = func(s string) string { return s }, "\x00"
			}
			name := "/"
			if len(args) > 1 {
				name = args[1]
			}
			fs, err := openInside(cmd.Context(), a, args[0], prefix, &place)
			if err != nil {
				return err
			}
			defer fs.close()
			l.fs = fs
			return ls(a, name, l)
		},
		ValidArgsFunction: completeInside(a, &place),
	}
	cli.Group(cmd, "What to list", func(f *pflag.FlagSet) {
		f.BoolVarP(&l.long, "long", "l", false, "say more than the names")
		f.BoolVarP(&l.recursive, "recursive", "R", false, "list directories below as well, with full paths")
		f.BoolVarP(&zero, "null", "0", false, "end each name with a zero byte; write it as it is")
		f.StringVarP(&prefix, "prefix", "p", "", "the bundle `NAME` of those in the directory")
	})
	place.ReadFlags(cmd)
	return cmd
}

// nameWriter returns how to write a name to w: as it is, but printable on a terminal.
func nameWriter(w io.Writer) func(string) string {
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return words.Printable
	}
	return func(s string) string { return s }
}

func ls(a *cli.App, name string, l *lister) error {
	l.w = bufio.NewWriter(a.Stdout)
	n, err := l.fs.Lookup(name)
	if err == nil && n.IsSymlink() && strings.HasSuffix(name, "/") {
		n, err = l.fs.Resolve(name)
	}
	if err != nil {
		return lacks(fmt.Errorf("ls %w", err))
	}
	if n.IsDir() {
		err = l.below(name, n, 0)
	} else {
		err = l.entry(name, n)
	}
	if err != nil {
		return err
	}
	return l.w.Flush()
}

// maxDepth bounds the recursion.
const maxDepth = 1000

// below lists a directory, and with -R all below it.
func (l *lister) below(name string, dir extfs.Node, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("ls %.100s...: more than %d directories deep", name, maxDepth)
	}
	id := inode{dir.FS, dir.Ino}
	if l.listed[id] { // a hostile image can have directories that hold one another, or many names for one
		return fmt.Errorf("ls %.100s: inode %d, a directory, has another name: the image is damaged", name, dir.Ino)
	}
	if l.listed == nil {
		l.listed = make(map[inode]bool)
	}
	l.listed[id] = true
	entries, err := dir.FS.ReadDirSorted(dir.Inode)
	if err != nil {
		return fmt.Errorf("ls %s: %w", name, err)
	}
	for _, e := range entries {
		shown := e.Name
		if l.recursive {
			shown = path.Join("/", name, e.Name)
		}
		var n extfs.Node
		if l.long || l.recursive {
			if n, err = l.fs.Child(dir, e); err != nil {
				return fmt.Errorf("ls %s: %w", shown, err)
			}
		}
		if err := l.entry(shown, n); err != nil {
			return err
		}
		if l.recursive && n.IsDir() {
			if err := l.below(shown, n, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// entry prints one name; n is needed with -l only.
func (l *lister) entry(name string, n extfs.Node) error {
	if !l.long {
		_, err := l.w.WriteString(l.name(name) + l.end)
		return err
	}
	size := fmt.Sprint(n.Size)
	switch n.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		size = fmt.Sprintf("%d, %d", n.Major, n.Minor)
	}
	target := ""
	if n.IsSymlink() {
		t, err := n.FS.Readlink(n.Inode)
		if err != nil {
			return fmt.Errorf("ls %s: %w", name, err)
		}
		target = " -> " + l.name(t)
	}
	when := time.Unix(n.Mtime.Sec, int64(n.Mtime.Nsec)).UTC().Format("2006-01-02 15:04:05")
	_, err := fmt.Fprintf(l.w, "%s %3d %5d %5d %12s %s %s%s%s", modeText(n.Mode), n.Nlink, n.UID, n.GID, size, when, l.name(name), target, l.end)
	return err
}

// modeText writes st_mode as ls -l does.
func modeText(mode uint32) string {
	const types = "?pc?d?b?-?l?s???"
	text := []byte{types[mode>>12&15], '-', '-', '-', '-', '-', '-', '-', '-', '-'}
	for i := range 9 {
		if mode>>(8-i)&1 != 0 {
			text[1+i] = "rwx"[i%3]
		}
	}
	for i, special := range []struct {
		bit       uint32
		set, also byte // without and with the x bit
	}{{unix.S_ISUID, 'S', 's'}, {unix.S_ISGID, 'S', 's'}, {unix.S_ISVTX, 'T', 't'}} {
		at := 3 + 3*i
		if mode&special.bit != 0 {
			if text[at] == 'x' {
				text[at] = special.also
			} else {
				text[at] = special.set
			}
		}
	}
	return string(text)
}
