package dir

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// This file decides, for all that writes, whether a directory and what lies in it
// is ours: where a run may work, which names are temporary ones of a run, what may
// be replaced, and which journal is believed.

// Temporary names are dot files: never part of "P.part.*", and recognisable, so
// that a run can remove what a killed one left.
const (
	newSuffix     = ".purebundle-new"    // staged by a run that is not over
	oldSuffix     = ".purebundle-old"    // of the files that are being replaced
	journalSuffix = ".purebundle-commit" // see journal
	fileSuffix    = ".purebundle-join"   // a single file that is being made
	rawSuffix     = ".purebundle-raw"    // a directory: see Stage.Scratch
	lockName      = ".purebundle-lock"   // see Dir.Lock
)

// id is what a file is known by, whatever it is called. Its owner is part of it: the
// number of an inode that was removed is given to the next file, which may be anybody's.
type id struct {
	dev, ino uint64
	owner    uint32
}

func idOf(st *unix.Stat_t) id { return id{st.Dev, st.Ino, st.Uid} }

// fileMade is a file that was made, under a temporary name.
type fileMade struct {
	name string // "": none was made
	id   id
}

// shared says whether others can make files in the directory: it is like /tmp.
func (d *Dir) shared() bool { return !d.trusted && othersWrite(&d.st) }

// exposed says whether others can make files in the directory or, if it is trusted,
// perhaps change them.
func (d *Dir) exposed() bool { return d.trusted || d.shared() }

// own says whether a file was surely made by a run of this user: what recovers a
// killed run is believed only then. Where others can make files, they can link one of
// ours as well, so that it must have one name.
func (d *Dir) own(st *unix.Stat_t) bool {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG, d.shared() && st.Nlink != 1:
		return false
	case d.trusted:
		return true
	}
	root := trusts(st.Uid) && !d.shared() // whose files cannot be removed there by others
	return st.Mode&0o022 == 0 && (st.Uid == euid() || root)
}

// mine says whether a file may be replaced or removed: it is our own, or lies where
// nobody else can have made it.
func (d *Dir) mine(st *unix.Stat_t) bool {
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		return false
	case d.trusted:
		return true
	case d.shared():
		return d.own(st)
	}
	return trusts(st.Uid)
}

// has says whether there is a file of that name that is mine.
func (d *Dir) has(name string) (bool, error) {
	st, err := d.lookUp(name)
	return st != nil && d.mine(st), err
}

// ours lists those of the names that are of files that are mine; what strangers have
// called like one of ours is stepped over.
func (d *Dir) ours(names []string) (list []string, err error) {
	for _, name := range names {
		has, err := d.has(name)
		if err != nil {
			return nil, err
		}
		if has {
			list = append(list, name)
		}
	}
	return list, nil
}

// removeOurs removes a file if it is mine.
func (d *Dir) removeOurs(name string) error {
	has, err := d.has(name)
	if err != nil || !has {
		return err
	}
	return d.Remove(name)
}

// restore renames a backup to the name that the file had, which a stranger's may have
// by now.
func (d *Dir) restore(from, to string) error {
	if err := d.replaceable(to); err != nil {
		return err
	}
	return d.rename(from, to)
}

// other returns a name that nobody can foresee, for one that a stranger has taken.
func other(name string) string { return name + "." + strings.ToLower(rand.Text()[:8]) }

// make makes an empty file for writing under the temporary name of name or, if a
// stranger has taken that, of one like it.
func (d *Dir) make(temp string) (fd int, made fileMade, err error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL
	name := temp
	fd, err = d.openFD(name, flags, 0o600)
	if errors.Is(err, unix.EEXIST) {
		if st, serr := d.lookUp(name); serr == nil && st != nil && !d.mine(st) {
			base, dot := strings.TrimSuffix(name, newSuffix), ""
			if base != name {
				dot = newSuffix
			}
			name = other(base) + dot
			fd, err = d.openFD(name, flags, 0o600)
		}
	}
	if err != nil {
		return -1, made, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, fileMade{name: name}, Fail("stat", d.Join(name), err)
	}
	return fd, fileMade{name, idOf(&st)}, nil
}

// reopen opens a file that was made, and refuses with ErrSwapped what has its name
// but is another.
func (d *Dir) reopen(made fileMade, flags int) (fd int, err error) {
	if fd, err = d.openFD(made.name, flags, 0); err != nil {
		return -1, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && (idOf(&st) != made.id || st.Mode&unix.S_IFMT != unix.S_IFREG) {
		err = ErrSwapped
	}
	if err == nil {
		return fd, nil
	}
	unix.Close(fd)
	return -1, &Error{Op: "open", Path: d.Join(made.name), Err: err, Hint: "somebody else changes files there: choose a directory that only you can write to"}
}

// tempName returns the name that a file has until it is called name.
func tempName(name string) string { return "." + name + newSuffix }

// backupName returns the name that the older file of that name has while it is
// being replaced.
func backupName(name string) string { return "." + name + oldSuffix }

// journalName returns the name of the journal of a group; a stranger may have taken
// it, and other is put after it then.
func journalName(group string) string { return "." + group + journalSuffix }

// maxFileTemp is how much of a file's name its temporary name has, in bytes: with
// what is added it stays below NAME_MAX (255).
const maxFileTemp = 200

// fileTemp returns the temporary name of a single file.
func fileTemp(name string) string { return "." + name[:min(len(name), maxFileTemp)] + fileSuffix }

// isTemp says whether a name was made by tempName or backupName, of any group.
func isTemp(name string) bool {
	return len(name) > 1 && name[0] == '.' &&
		(strings.HasSuffix(name, newSuffix) || strings.HasSuffix(name, oldSuffix))
}

// groupOf returns the group of a journal.
func groupOf(name string) (group string, ok bool) {
	name, dot := strings.CutPrefix(name, ".")
	at := strings.LastIndex(name, journalSuffix)
	if at < 0 {
		return "", false
	}
	group, after := name[:at], name[at+len(journalSuffix):]
	if after != "" && (after[0] != '.' || len(after) != len(other(""))) {
		return "", false
	}
	return group, dot && group != "" && group[0] != '.' && !strings.Contains(group, "/")
}

// Writable says early what the first file would run into.
func (d *Dir) Writable() error {
	err := unix.Faccessat2(d.fd(), ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		// Before Linux 5.8, or a container that refuses system calls it does not know.
		err = unix.Faccessat(d.fd(), ".", unix.W_OK|unix.X_OK, 0)
	}
	return Fail("write", d.path, err)
}

// replaceable refuses what no run of this user has put there.
func (d *Dir) replaceable(name string) error {
	st, err := d.lookUp(name)
	if err != nil || st == nil {
		return err
	}
	e := &Error{Op: "replace", Path: d.Join(name), Err: ErrStranger, Hint: "move it away or choose another prefix"}
	switch {
	case d.mine(st):
		return nil
	case st.Mode&unix.S_IFMT != unix.S_IFDIR && !trusts(st.Uid):
		e.Err = &kindError{ErrStranger, fmt.Sprintf("belongs to user %d", st.Uid)}
		e.Hint = "choose another prefix, or a directory that only you can write to"
	case st.Mode&unix.S_IFMT == unix.S_IFREG:
		e.Err = &kindError{ErrStranger, fmt.Sprintf("could have been made or changed by others (mode %04o, %d links)", st.Mode&0o7777, st.Nlink)}
	}
	return e
}

// believed says whether a journal of group may name a file: a plain name of that
// group, or of parts, which a manifest may call by another name.
func believed(group, name string) bool {
	if name == "" || name[0] == '.' || strings.ContainsAny(name, "/\x00") {
		return false
	}
	at := strings.LastIndex(name, partInfix)
	digits := name[at+len(partInfix):]
	return strings.HasPrefix(name, group+".") || at > 0 && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// partInfix stands between the prefix and the number of a part, in every format.
const partInfix = ".part."

// Leftover says what temporary names in a directory mean for somebody who looks
// for files that are not there; "" if there are none.
func Leftover(names []string) string {
	for _, name := range names {
		if _, ok := groupOf(name); ok {
			return "a run puts its files in place right now, or was stopped while it did: then the next one on this directory puts back what was there before"
		}
	}
	for _, name := range names {
		if strings.HasPrefix(name, ".") && strings.HasSuffix(name, newSuffix) || strings.HasPrefix(name, lockName) {
			return "a run is at work there, or was stopped: then run it again"
		}
	}
	return ""
}
