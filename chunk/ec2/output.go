package ec2

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

// Temporary names are dot files. newSuffix is that of package chunk, whose next
// run on the directory removes such files as well.
const (
	newSuffix = ".purebundle-new"
	oldSuffix = ".purebundle-ec2-old" // of the bundle that is being replaced
	rawSuffix = ".purebundle-raw"     // of a directory: see RawDir
)

func tempName(name string) string   { return "." + name + newSuffix }
func backupName(name string) string { return "." + name + oldSuffix }

// output is the directory that a bundle is made in, locked for this run.
type output struct {
	f    *os.File
	path string
	made []string // directories that were made for it, deepest first
}

// openOutput opens and locks the directory at path, made if need be.
func openOutput(path string) (*output, error) {
	o := &output{path: path}
	for p := filepath.Clean(path); ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); !errors.Is(err, os.ErrNotExist) {
			break
		}
		o.made = append(o.made, p)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		o.made = nil
		return nil, fail("mkdir", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fail("open", path, err)
	}
	o.f = f
	if err := unix.Flock(o.fd(), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, hinted("lock", path, chunk.ErrBusy, "wait until that run is over, or choose another directory")
		}
		return nil, fail("lock", path, err)
	}
	return o, nil
}

func (o *output) fd() int                 { return int(o.f.Fd()) }
func (o *output) join(name string) string { return filepath.Join(o.path, name) }

// create makes a file that must not be there.
func (o *output) create(name string) (*os.File, error) {
	fd, err := unix.Openat(o.fd(), name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fail("create", o.join(name), err)
	}
	return os.NewFile(uintptr(fd), o.join(name)), nil
}

func (o *output) rename(from, to string) error {
	return fail("rename", o.join(to), unix.Renameat(o.fd(), from, o.fd(), to))
}

func (o *output) remove(name string) error {
	if err := unix.Unlinkat(o.fd(), name, 0); err != nil && !errors.Is(err, unix.ENOENT) {
		return fail("remove", o.join(name), err)
	}
	return nil
}

func (o *output) sync() error {
	if err := o.f.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return fail("sync", o.path, err)
	}
	return nil
}

// names lists the directory in byte order.
func (o *output) names() ([]string, error) {
	d, err := o.sub(".")
	if err != nil {
		return nil, err
	}
	defer d.f.Close()
	entries, err := d.f.ReadDir(-1)
	if err != nil {
		return nil, fail("read", o.path, err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}

// sub opens a directory in o, never through a symbolic link.
func (o *output) sub(name string) (*output, error) {
	fd, err := unix.Openat(o.fd(), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fail("open", o.join(name), err)
	}
	return &output{f: os.NewFile(uintptr(fd), o.join(name)), path: o.join(name)}, nil
}

// close gives the lock back and removes the directories that were made, as far
// as they are empty.
func (o *output) close() {
	for _, p := range o.made {
		if unix.Rmdir(p) != nil {
			break
		}
	}
	o.f.Close()
}

// bundleFiles lists what is there of a bundle of this prefix, manifest first.
func (o *output) bundleFiles(prefix string) ([]string, error) {
	names, err := o.names()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, name := range names {
		digits, part := strings.CutPrefix(name, prefix+partInfix)
		if name == ManifestName(prefix) || part && digits != "" && strings.Trim(digits, "0123456789") == "" {
			found = append(found, name)
		}
	}
	slices.SortStableFunc(found, func(a, b string) int {
		switch ManifestName(prefix) {
		case a:
			return -1
		case b:
			return 1
		}
		return strings.Compare(a, b)
	})
	return found, nil
}

// noRaw refuses to work beside a raw bundle of the same prefix: the names of its
// parts are like ours, so that it would be taken for the older bundle.
func (o *output) noRaw(prefix string) error {
	var st unix.Stat_t
	name := chunk.ManifestName(prefix)
	err := unix.Fstatat(o.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil
	case err != nil:
		return fail("stat", o.join(name), err)
	}
	return hinted("create", o.join(name), cause("is a raw bundle of that prefix, whose parts would be mixed up with the new ones"),
		"choose another prefix or directory")
}

// settle puts right what killed runs left: temporary files go; of a bundle that
// was being replaced, the older one comes back where the new one has no manifest,
// which is the last to get its name.
func (o *output) settle() error {
	names, err := o.names()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".purebundle-commit") }) {
		return hinted("open", o.path, cause("a run of \"purebundle bundle\" was stopped there while it put its files in place"),
			"run that again, or choose another directory")
	}
	for _, name := range names {
		old, isOld := strings.CutSuffix(strings.TrimPrefix(name, "."), oldSuffix)
		switch {
		case name[0] == '.' && strings.HasSuffix(name, newSuffix):
			err = o.remove(name)
		case name[0] == '.' && strings.HasSuffix(name, rawSuffix):
			err = o.removeRaw(name)
		case name[0] == '.' && isOld:
			prefix, _, _ := strings.Cut(strings.TrimSuffix(old, manifestSuffix), partInfix)
			if slices.Contains(names, ManifestName(prefix)) {
				err = o.remove(name)
			} else {
				err = o.rename(name, old)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// RawDir makes a directory in w's for raw parts of the image, so that they are on
// the disk that has room. It is nobody else's: w's may be /tmp. Empty, it goes with
// Commit and Abort; what a killed run left in one is removed by the next Create.
func (w *Writer) RawDir() (string, error) {
	name := "." + w.opt.Prefix + rawSuffix
	if err := unix.Mkdirat(w.out.fd(), name, 0o700); err != nil {
		return "", fail("mkdir", w.out.join(name), err)
	}
	w.raw = name
	return w.out.join(name), nil
}

// dropRaw removes the directory for raw parts.
func (w *Writer) dropRaw() error {
	if w.raw == "" {
		return nil
	}
	name := w.raw
	w.raw = ""
	return w.out.removeDir(name)
}

func (o *output) removeDir(name string) error {
	if err := unix.Unlinkat(o.fd(), name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
		return fail("remove", o.join(name), err)
	}
	return nil
}

// removeRaw removes the directory that a killed run left, with raw parts that no
// run uses any more: this one has the lock of the directory above it.
func (o *output) removeRaw(name string) error {
	raw, err := o.sub(name)
	if err != nil {
		return err
	}
	defer raw.f.Close()
	names, err := raw.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if n[0] == '.' && strings.HasSuffix(n, newSuffix) {
			if err := raw.remove(n); err != nil {
				return err
			}
		}
	}
	return o.removeDir(name)
}

// install gives the files their names; old ones of the prefix go first and come
// back if anything fails. renames are from, to; the manifest is the last.
func (o *output) install(old []string, renames [][2]string) (err error) {
	var undo [][2]string
	step := func(from, to string) error {
		if err := o.rename(from, to); err != nil {
			return err
		}
		undo = append(undo, [2]string{to, from})
		return nil
	}
	defer func() {
		if err == nil {
			return
		}
		for _, u := range slices.Backward(undo) {
			if uerr := o.rename(u[0], u[1]); uerr != nil {
				err = fmt.Errorf("%w; then %w", err, uerr)
			}
		}
	}()
	for _, name := range old {
		if err := step(name, backupName(name)); err != nil {
			return err
		}
	}
	if err := o.sync(); err != nil {
		return err
	}
	for i, r := range renames {
		if i == len(renames)-1 {
			if err := o.sync(); err != nil {
				return err
			}
		}
		if err := step(r[0], r[1]); err != nil {
			return err
		}
	}
	if err := o.sync(); err != nil {
		return err
	}
	for _, name := range old {
		_ = o.remove(backupName(name)) // the new bundle is whole; the next run tries again
	}
	return nil
}
