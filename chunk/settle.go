package chunk

import (
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// The journal of a commit is there, whole and durable, from before the first
// file under a final name is touched until after the last one. It lists the
// files that were under final names before, each of which is moved to its backup
// name before anything takes its place. So for each name N in the list
//
//	backup of N there             N is to be put back; what is at N is new
//	backup of N not there         N was not touched yet, or is back already
//
// and any other file of the bundle is new. The manifest is the first to leave
// and the last to come, with a sync of the directory between it and the others,
// and backups go only after the journal went. Hence: a new manifest in place
// means that all else is, and every state can be told from the names alone.

const (
	journalHead = "purebundle commit 1\n"
	journalTail = "end\n"
	// maxJournal bounds what is read of one, in bytes: over a million names of usual length.
	maxJournal = 64 << 20
)

// writeJournal begins a commit over these old files.
func writeJournal(d *dir, prefix string, old []string) error {
	var b strings.Builder
	b.WriteString(journalHead)
	for _, name := range old {
		b.WriteString(name + "\n")
	}
	b.WriteString(journalTail)
	name := journalName(prefix)
	if err := d.create(tempName(name), name, []byte(b.String())); err != nil {
		return err
	}
	if err := d.rename(tempName(name), name); err != nil {
		return err
	}
	return d.sync()
}

// readJournal returns the old files of the commit that was going on.
func readJournal(d *dir, prefix string) (old []string, err error) {
	name := journalName(prefix)
	bad := func(why string) error {
		return &Error{Op: "read", Path: d.join(name), Err: cause(why),
			Hint: "it was not written by this program: look at the files of that prefix and remove it by hand"}
	}
	f, err := d.open(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return nil, fail("read", d.join(name), err)
	}
	body, headed := strings.CutPrefix(string(data), journalHead)
	body, ended := strings.CutSuffix(body, journalTail)
	if !headed || !ended {
		return nil, bad("is no journal of a commit")
	}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if !isFinal(prefix, line) {
			return nil, bad("names a file that is no part of the bundle")
		}
		old = append(old, line)
	}
	return old, nil
}

// settleAll puts right what killed runs left in the directory, which must be
// locked: an interrupted commit is finished or undone, temporary files go.
func settleAll(d *dir) error {
	names, err := d.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		prefix, ok := strings.CutSuffix(name, journalSuffix)
		if !ok || !strings.HasPrefix(prefix, ".") || CheckPrefix(prefix[1:]) != nil {
			continue
		}
		if err := settle(d, prefix[1:]); err != nil {
			return err
		}
	}
	return removeTemps(d, isTemp)
}

// removeTemps removes the temporary files that match.
func removeTemps(d *dir, match func(name string) bool) error {
	names, err := d.names()
	if err != nil {
		return err
	}
	return removeAll(d, slices.DeleteFunc(names, func(name string) bool { return !match(name) }))
}

// settle finishes or undoes the commit whose journal is there.
func settle(d *dir, prefix string) error {
	old, err := readJournal(d, prefix)
	if err != nil {
		return err
	}
	placed, err := d.exists(ManifestName(prefix))
	if err != nil {
		return err
	}
	if placed && slices.Contains(old, ManifestName(prefix)) {
		// Is it the new one?
		if placed, err = d.exists(backupName(ManifestName(prefix))); err != nil {
			return err
		}
	}
	if placed {
		return finish(d, prefix, old)
	}
	return undo(d, prefix, old)
}

// finish ends a commit whose manifest is in place.
func finish(d *dir, prefix string, old []string) error {
	if err := d.remove(journalName(prefix)); err != nil {
		return err
	}
	if len(old) == 0 {
		return nil
	}
	if err := d.sync(); err != nil {
		return err
	}
	return removeAll(d, backups(old))
}

// undo puts the old files back and removes the new ones. Where it stops half
// way, it can be done again from the start. New files go first: putting a name
// back can take room in the directory.
func undo(d *dir, prefix string, old []string) error {
	manifest := ManifestName(prefix)
	saved, err := d.exists(backupName(manifest))
	if err != nil {
		return err
	}
	if saved || !slices.Contains(old, manifest) {
		if err := d.remove(manifest); err != nil {
			return err
		}
		if err := d.sync(); err != nil {
			return err
		}
	}
	names, err := d.names()
	if err != nil {
		return err
	}
	listed, there := set(old), set(names)
	var fresh []string
	for _, name := range names {
		unborn := strings.HasPrefix(name, "."+prefix+partInfix) && strings.HasSuffix(name, newSuffix)
		if unborn || isFinal(prefix, name) && !listed[name] {
			fresh = append(fresh, name)
		}
	}
	if err := removeAll(d, fresh); err != nil {
		return err
	}
	for _, name := range old {
		if name != manifest && there[backupName(name)] {
			if err := d.rename(backupName(name), name); err != nil {
				return err
			}
		}
	}
	if err := d.sync(); err != nil {
		return err
	}
	if saved {
		if err := d.rename(backupName(manifest), manifest); err != nil {
			return err
		}
		if err := d.sync(); err != nil {
			return err
		}
	}
	if err := d.remove(journalName(prefix)); err != nil {
		return err
	}
	return d.sync()
}

func set(names []string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

func backups(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = backupName(name)
	}
	return out
}
