package create

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img"
	"purebundle/walker"
)

// substitute puts a file of ours in the place of one of SOURCE, in the image
// only; what was there before is in the image under another name. The walk knows
// nothing of it: it stands between the walk and the image. Nil replaces nothing.
type substitute struct {
	dir, name, oldName string // "/etc", "fstab", "fstab.old": ascending, as bytes
	text               []byte

	file   *os.File // text, in memory
	added  int      // of the two names, those that the image has, or will not get
	inside bool     // the walk has been in dir
	was    *walker.Entry
	from   string // where SOURCE has what oldName is to be; "": nowhere
}

// NewFstab replaces /etc/fstab and keeps the old one as /etc/fstab.old.
func NewFstab(text []byte) (*substitute, error) {
	fd, err := unix.MemfdCreate("fstab", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fstab: memfd_create: %w", err)
	}
	r := &substitute{dir: "/etc", name: "fstab", oldName: "fstab.old", text: text, file: os.NewFile(uintptr(fd), "fstab")}
	if _, err := r.file.Write(text); err != nil {
		r.Close()
		return nil, fmt.Errorf("fstab: %w", err)
	}
	return r, nil
}

func (r *substitute) Close() {
	if r != nil {
		r.file.Close()
	}
}

func (r *substitute) path() string    { return r.dir + "/" + r.name }
func (r *substitute) oldPath() string { return r.dir + "/" + r.oldName }

// addEntry adds one entry of the walk to the image.
func addEntry(b *ext2img.Builder, e *walker.Entry) error {
	if e.Link != "" {
		return b.Link(e.Path, adapt(e))
	}
	return b.Add(e.Path, adapt(e))
}

// add adds an entry as addEntry does, or what replaces it.
func (r *substitute) add(b *ext2img.Builder, e *walker.Entry) error {
	if r == nil {
		return addEntry(b, e)
	}
	if e.Path == r.path() {
		if e.Mode&unix.S_IFMT == unix.S_IFDIR {
			return fmt.Errorf("fstab: %s is a directory in SOURCE", e.Path)
		}
		old := *e
		old.Xattrs = append([]walker.Xattr(nil), e.Xattrs...)
		r.was, r.inside = &old, true
		return nil
	}
	if err := r.addBefore(b, e.Path); err != nil {
		return err
	}
	r.inside = r.inside || e.Path == r.dir
	if e.Path == r.oldPath() && r.was != nil {
		return nil // the one that was replaced has its name
	}
	return addEntry(b, e)
}

// addBefore adds what belongs before path in the order of the walk; before "",
// the end, everything that is left.
func (r *substitute) addBefore(b *ext2img.Builder, path string) error {
	base, below := strings.CutPrefix(path, r.dir+"/")
	base, _, _ = strings.Cut(base, "/")
	for ; r.inside && r.added < 2; r.added++ {
		name := []string{r.name, r.oldName}[r.added]
		if below && base < name || path != "" && !below && path <= r.dir {
			return nil
		}
		add := r.addNew
		if r.added == 1 {
			add = r.addOld
		}
		if err := add(b); err != nil {
			return err
		}
	}
	return nil
}

// addNew adds our file, with the owner and mode of the old one. What the image
// is told of it must be what fstat says of the file that is read.
func (r *substitute) addNew(b *ext2img.Builder) error {
	mode, uid, gid := uint32(0o644), 0, 0
	if w := r.was; w != nil && w.Mode&unix.S_IFMT == unix.S_IFREG {
		mode, uid, gid = w.Mode&0o7777, int(w.UID), int(w.GID)
	}
	if os.Geteuid() == 0 {
		if err := r.file.Chown(uid, gid); err != nil {
			return fmt.Errorf("fstab: %w", err)
		}
	}
	if err := unix.Fchmod(int(r.file.Fd()), mode); err != nil {
		return fmt.Errorf("fstab: fchmod: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(r.file.Fd()), &st); err != nil {
		return fmt.Errorf("fstab: fstat: %w", err)
	}
	at := func(t unix.Timespec) ext2img.Time { return ext2img.Time{Sec: t.Sec, Nsec: uint32(t.Nsec)} }
	return b.Add(r.path(), ext2img.File{
		Mode: st.Mode, UID: st.Uid, GID: st.Gid, Size: st.Size, Nlink: 1, Dev: st.Dev, Ino: st.Ino,
		Atime: at(st.Atim), Mtime: at(st.Mtim), Ctime: at(st.Ctim),
	})
}

// addOld adds the file that was replaced, if there was one.
func (r *substitute) addOld(b *ext2img.Builder) error {
	if r.was == nil {
		return nil
	}
	old := *r.was
	old.Path = r.oldPath()
	if old.Link == "" {
		r.from = r.path()
	}
	return addEntry(b, &old)
}

// finish adds what is left at the end of the walk.
func (r *substitute) finish(b *ext2img.Builder) error {
	if r == nil {
		return nil
	}
	if !r.inside {
		return cli.WithHint(fmt.Errorf("fstab: SOURCE has no directory %s", r.dir), "leave the fstab options away")
	}
	return r.addBefore(b, "")
}

// opener opens our file in the place of the old one, and the old one by its new name.
func (r *substitute) opener(open ext2img.Opener) ext2img.Opener {
	if r == nil {
		return open
	}
	return func(path string, st *unix.Stat_t) (int, error) {
		switch {
		case path == r.path():
			fd, err := unix.FcntlInt(r.file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
			if err == nil {
				err = unix.Fstat(fd, st)
			}
			return fd, err
		case path == r.oldPath() && r.from != "":
			return open(r.from, st)
		}
		return open(path, st)
	}
}
