package create

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
	"purebundle/walker"
)

// usualDest is where a bundle is proposed to go on the disk of root.
const usualDest = "/var/lib/purebundle"

// firstLook bounds how long First looks at /: whoever types the first command is to be
// answered at once, however many files there are.
const firstLook = time.Second

// First says what / would become, where there is room for it, and what to type: for
// "bundle" without SOURCE and DEST. It writes nothing. A walk that is not over after
// atMost ends there: what the file systems have in use says the size then.
func (r *Run) First(ctx context.Context, atMost time.Duration, flags string) error {
	var mounts []walker.Mount
	opened := r.opened
	r.opened = func(tree *walker.Tree) error {
		mounts = tree.Mounts
		if opened == nil {
			return nil
		}
		return opened(tree)
	}
	look, stop := context.WithTimeout(ctx, atMost)
	defer stop()
	s, err := r.Foresee(look)
	var rows [][2]string
	var need needed
	switch {
	case err == nil:
		need.bytes = r.target().need(r.Image)
		rows = slices.Concat([][2]string{{"would bundle", r.ContentLine()}}, r.Opt.Disk.rows(), [][2]string{
			{"image", r.ImageLine(s)},
			{"parts", fmt.Sprintf("%s of 10 MiB, %s of disk at most", words.Count(int64(s.Parts)), words.Size(need.bytes))},
		}, r.LeftOutRows())
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		r.UI.Close()
		need.bytes, rows = inUse(mounts, statUsed)
		need.atMost = true
		rows = slices.Concat([][2]string{{"would bundle", fmt.Sprintf("%s: at least %s, counted for %s; \"purebundle bundle --dry-run /\" counts all of them",
			words.Printable(r.Opt.Source), words.Plural(r.counts.Entries, "entry", "entries"), words.Seconds(atMost.Seconds()))}}, rows)
	default:
		return err
	}
	if err := cli.PrintRows(r.App.Stdout, rows); err != nil {
		return err
	}
	text := "\n"
	for line := range strings.Lines(proposal(rooms(mounts, statRoom), need, flags)) {
		if !strings.HasPrefix(line, "  ") { // which is to be typed
			line = r.App.Paragraph("", strings.TrimSuffix(line, "\n"))
		}
		text += line
	}
	_, err = fmt.Fprint(r.App.Stdout, text)
	return err
}

// inUse returns about how large the image of a tree with these mounts is, by what each
// of their file systems has in use, and the row that says so.
func inUse(mounts []walker.Mount, used func(point string) int64) (bytes int64, rows [][2]string) {
	var points []string
	seen := map[[2]int]bool{}
	for _, m := range mounts {
		device := [2]int{m.Major, m.Minor}
		if m.Action != walker.Crossed || seen[device] {
			continue
		}
		seen[device] = true
		bytes += used(m.Path)
		points = append(points, words.Printable(m.Path))
	}
	return bytes, [][2]string{{"image", fmt.Sprintf("about %s at most, which is in use on %s", words.Size(bytes), strings.Join(points, ", "))}}
}

// statUsed returns how many bytes of a file system are in use; none if it does not say.
func statUsed(point string) int64 {
	var fs unix.Statfs_t
	if unix.Statfs(point, &fs) != nil {
		return 0
	}
	return int64(fs.Blocks-fs.Bfree) * fs.Bsize
}

// needed is how much room a bundle needs, in bytes; atMost: less may do.
type needed struct {
	bytes  int64
	atMost bool
}

// room is a directory in which a bundle could be made.
type room struct {
	dir  string
	free int64 // bytes
	root bool  // it lies on the disk of root
	full bool  // there is a bundle, which is to be replaced
}

// rooms returns the directories on local disks in which a bundle could be made, the
// most room first, root's own last. stat tells about one mount.
func rooms(mounts []walker.Mount, stat func(point string) (free int64, usable bool)) []room {
	var list []room
	for _, m := range mounts {
		if m.Action == walker.Refused || !slices.Contains([]string{"ext4", "ext3", "ext2", "xfs", "btrfs", "f2fs", "overlay", "zfs"}, m.FSType) {
			continue
		}
		free, usable := stat(m.Path)
		if !usable {
			continue
		}
		r := room{dir: path.Join(m.Path, "purebundle"), free: free}
		if m.Path == "/" {
			r.dir, r.root = usualDest, true
		}
		_, err := os.Lstat(path.Join(r.dir, chunk.ManifestName("image")))
		r.full = err == nil
		list = append(list, r)
	}
	slices.SortStableFunc(list, func(a, b room) int {
		if a.root != b.root {
			if a.root {
				return 1
			}
			return -1
		}
		return cmp.Compare(b.free, a.free)
	})
	return list
}

// statRoom returns the room of a local file system, and whether root alone can change
// its root directory.
func statRoom(point string) (free int64, usable bool) {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if unix.Statfs(point, &fs) != nil || unix.Stat(point, &st) != nil || fs.Flags&unix.ST_RDONLY != 0 {
		return 0, false
	}
	return int64(fs.Bavail) * fs.Bsize, st.Uid == 0 && st.Mode&0o022 == 0
}

// proposal says where there is room for so many bytes, and what to type.
func proposal(list []room, need needed, flags string) string {
	var b strings.Builder
	for _, r := range list {
		if r.free < need.bytes+need.bytes/10 {
			enough := "is not enough"
			if need.atMost {
				enough = "may not be enough"
			}
			fmt.Fprintf(&b, "%s has %s free, which %s.\n", r.dir, words.Size(r.free), enough)
			continue
		}
		force, does, other := "", "makes the bundle there", ""
		if r.full {
			force, does = " --force", "replaces the bundle that is there, once the new one is complete"
		}
		if r.root {
			other = "It is on the disk of / itself: a bundle there does not outlive that disk.\n"
		}
		fmt.Fprintf(&b, "%s has %s free.\n%sNothing was written. This %s:\n\n  purebundle bundle%s%s / %s\n", r.dir, words.Size(r.free), other, does, flags, force, words.Quote(r.dir))
		return b.String()
	}
	if need.atMost {
		fmt.Fprintf(&b, "Nothing was written. This says how much it is, and writes nothing either:\n\n  purebundle bundle --dry-run%s /\n", flags)
		return b.String()
	}
	fmt.Fprintf(&b, "No local disk has room for %s. Mount another one, or send it to S3, which takes no disk:\n\n  purebundle bundle%s / s3://BUCKET/DIR\n", words.Size(need.bytes), flags)
	return b.String()
}

// again returns the flags that were given about the image, each after a space.
func again(cmd *cobra.Command) string {
	text := ""
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch f.Name {
		case "dry-run", "json", "progress", "quiet", "verbose", "force":
			return
		}
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			text += " --" + f.Name
			if f.Value.Type() != "bool" && (f.NoOptDefVal == "" || v != f.NoOptDefVal) {
				text += "=" + words.Quote(v)
			}
		}
	})
	return text
}
