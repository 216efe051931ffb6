package dir

import (
	"errors"
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
)

// tempName returns the name that a file has until it is called name.
func tempName(name string) string { return "." + name + newSuffix }

// backupName returns the name that the older file of that name has while it is
// being replaced.
func backupName(name string) string { return "." + name + oldSuffix }

// journalName returns the name of the journal of a group.
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
	group, ok = strings.CutSuffix(name, journalSuffix)
	return group, dot && ok && group != "" && group[0] != '.' && !strings.Contains(group, "/")
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

// replaceable refuses what no run has put there: a directory.
func (d *Dir) replaceable(name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd(), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Fail("stat", d.Join(name), err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return &Error{Op: "replace", Path: d.Join(name), Err: ErrStranger, Hint: "move it away or choose another prefix"}
	}
	return nil
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
		if strings.HasPrefix(name, ".") && strings.HasSuffix(name, newSuffix) {
			return "a run is at work there, or was stopped: then run it again"
		}
	}
	return ""
}
