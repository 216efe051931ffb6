package dir

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// journal is there, whole and durable, from before the first file under a final
// name is touched until after the last one. It lists the files that were there
// before, each of which is moved to its backup name before anything takes its
// place, and those that are to come. So for each name N of the old ones
//
//	backup of N there             N is to be put back; what is at N is new
//	backup of N not there         N was not touched yet, or is back already
//
// and any other name of the list is that of a new file. The last file is the
// first to leave and the last to come, with a sync of the directory between it
// and the others, and backups go only after the journal went. Hence: a new last
// file in place means that all else is, and every state can be told from the
// names alone.
//
// Only a journal that is our own is believed (Dir.own), of the files that it names only
// those that are mine (Dir.mine): what strangers have called so counts as not there.
type journal struct {
	name  string // of its file, once it is there
	group string
	last  string
	tag   string          // "", or what makes backup names differ from those that strangers have taken
	old   []string        // in byte order
	fresh map[string]bool // names that the new files get
	all   bool            // fresh is not known: every name of the group that is not old (version 1)
}

// The text of a journal: a head, a line a name, a tail.
const (
	journalHead = "purebundle commit 2\n"
	journalTail = "end\n"
	oldLine     = "old "
	newLine     = "new "
	tagLine     = "tag " // a line before the others, if backup names have a tag
	// maxJournal bounds what is read of one, in bytes: over a million names of usual length.
	maxJournal = 128 << 20
)

// backup returns the name that an old file has while it is being replaced.
func (j *journal) backup(name string) string {
	if j.tag != "" {
		name += "." + j.tag
	}
	return backupName(name)
}

// choose finds names for the journal and for backups that no stranger has taken.
func (j *journal) choose(d *Dir) (name string, err error) {
	var names []string
	if d.exposed() {
		if names, err = d.Names(); err != nil {
			return "", err
		}
	}
	old := set(j.old)
	for _, name := range names {
		backed, backup := strings.CutSuffix(name, oldSuffix)
		if backup && old[strings.TrimPrefix(backed, ".")] { // those of killed runs are gone by now
			j.tag = strings.TrimPrefix(other(""), ".")
			break
		}
	}
	name = journalName(j.group)
	st, err := d.lookUp(name)
	if st != nil {
		name = other(name)
	}
	return name, err
}

// write begins a commit. If that fails it returns the temporary file that is left.
func (j *journal) write(d *Dir, items []Item) (temp fileMade, err error) {
	name, err := j.choose(d)
	if err != nil {
		return temp, err
	}
	var b strings.Builder
	b.WriteString(journalHead)
	if j.tag != "" {
		b.WriteString(tagLine + j.tag + "\n")
	}
	for _, name := range j.old {
		b.WriteString(oldLine + name + "\n")
	}
	for _, it := range items { // the last one last
		b.WriteString(newLine + it.Name + "\n")
	}
	b.WriteString(journalTail)
	if temp, err = d.create(tempName(name), name, []byte(b.String())); err != nil {
		return temp, err
	}
	if err := d.appear(temp.name, name, temp.id); err != nil {
		return temp, err
	}
	j.name = name
	return fileMade{}, d.sync()
}

// readJournal returns the commit that a journal of group tells of, nil if the file
// is not our own.
func readJournal(d *Dir, name, group string) (j *journal, err error) {
	bad := func(why string) error {
		return &Error{Op: "read", Path: d.Join(name), Err: Cause(why),
			Hint: "it was not written by this program: look at the files of that prefix and remove it by hand"}
	}
	if st, err := d.lookUp(name); err != nil || st == nil || !d.own(st) {
		return nil, err
	}
	f, err := d.open(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || !d.own(&st) {
		return nil, Fail("stat", d.Join(name), err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxJournal))
	if err != nil {
		return nil, Fail("read", d.Join(name), err)
	}
	text, ended := strings.CutSuffix(string(data), journalTail)
	body, ok := strings.CutPrefix(text, journalHead)
	if old, first := strings.CutPrefix(text, journalHead1); first && ended {
		return parseJournal1(name, group, old, bad)
	}
	if !ok || !ended {
		return nil, bad("is no journal of a commit")
	}
	j = &journal{name: name, group: group, fresh: make(map[string]bool)}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		old, isOld := strings.CutPrefix(line, oldLine)
		fresh, isNew := strings.CutPrefix(line, newLine)
		tag, isTag := strings.CutPrefix(line, tagLine)
		switch {
		case isTag && j.tag == "" && len(j.old)+len(j.fresh) == 0 && tag != "" && !strings.Contains(tag, "/"):
			j.tag = tag
		case isOld && believed(group, old):
			j.old = append(j.old, old)
		case isNew && believed(group, fresh):
			j.fresh[fresh], j.last = true, fresh
		default:
			return nil, bad("names a file that is no part of the bundle")
		}
	}
	if j.last == "" {
		return nil, bad("is no journal of a commit")
	}
	return j, nil
}

// isNew says whether a name in the directory is that of a new file, given the
// set of old ones.
func (j *journal) isNew(name string, old map[string]bool) bool {
	if j.all {
		return isFile1(j.group, name) && !old[name]
	}
	return j.fresh[name] && !old[name]
}

// settle puts right what killed runs left in the directory, which must be
// locked: an interrupted commit is finished or undone, temporary files go.
func (d *Dir) settle() error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		group, ok := groupOf(name)
		if !ok {
			continue
		}
		if err := settleGroup(d, name, group); err != nil {
			return err
		}
	}
	if err := settleEC2(d); err != nil {
		return err
	}
	return removeTemps(d)
}

// removeTemps removes temporary files, and scratch directories with those in them.
func removeTemps(d *Dir) error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	var temps []string
	for _, name := range names {
		switch {
		case isTemp(name):
			temps = append(temps, name)
		case len(name) > 1 && name[0] == '.' && strings.HasSuffix(name, rawSuffix):
			if err := removeScratch(d, name); err != nil {
				return err
			}
		}
	}
	temps, err = d.ours(temps)
	if err != nil {
		return err
	}
	return removeAll(d, temps)
}

// removeScratch removes the directory that a killed run left, with what no run
// uses any more: this one has the lock of the directory above it.
func removeScratch(d *Dir, name string) error {
	st, err := d.lookUp(name)
	if err != nil || st == nil || st.Mode&unix.S_IFMT != unix.S_IFDIR || !d.trusted && (st.Uid != euid() || othersWrite(st)) {
		return err // a stranger's
	}
	f, err := d.open(name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	sub, err := newDir(f, d.Join(name))
	if err != nil {
		return err
	}
	sub.fault, sub.trusted = d.fault, d.trusted
	defer sub.Close()
	if sub.shared() || !d.trusted && sub.st.Uid != euid() {
		return nil
	}
	if err := removeTemps(sub); err != nil {
		return err
	}
	if err := unix.Unlinkat(sub.fd(), lockName, 0); err != nil && err != unix.ENOENT {
		return Fail("remove", sub.Join(lockName), err)
	}
	return d.removeDir(name)
}

// settleGroup finishes or undoes the commit whose journal is there.
func settleGroup(d *Dir, name, group string) error {
	j, err := readJournal(d, name, group)
	if err != nil || j == nil {
		return err
	}
	placed, err := d.has(j.last)
	if err != nil {
		return err
	}
	if placed && slices.Contains(j.old, j.last) {
		// Is it the new one?
		if placed, err = d.has(j.backup(j.last)); err != nil {
			return err
		}
	}
	if placed {
		return j.finish(d)
	}
	return j.undo(d)
}

// finish ends a commit whose last file is in place.
func (j *journal) finish(d *Dir) error {
	if err := d.Remove(j.name); err != nil {
		return err
	}
	if len(j.old) == 0 {
		return nil
	}
	if err := d.sync(); err != nil {
		return err
	}
	backups := make([]string, len(j.old))
	for i, name := range j.old {
		backups[i] = j.backup(name)
	}
	if d.exposed() {
		var err error
		if backups, err = d.ours(backups); err != nil {
			return err
		}
	}
	return removeAll(d, backups)
}

// undo puts the old files back and removes the new ones. If it stops half way, it
// can be done again from the start. New files go first: putting a name back can
// take room in the directory.
func (j *journal) undo(d *Dir) error {
	saved, err := d.has(j.backup(j.last))
	if err != nil {
		return err
	}
	old := set(j.old)
	if saved || !old[j.last] {
		if err := d.removeOurs(j.last); err != nil {
			return err
		}
		if err := d.sync(); err != nil {
			return err
		}
	}
	fresh, err := j.newFiles(d, old)
	if err != nil {
		return err
	}
	if err := removeAll(d, fresh); err != nil {
		return err
	}
	for _, name := range j.old {
		there, err := d.has(j.backup(name))
		if err != nil {
			return err
		}
		if name != j.last && there {
			if err := d.restore(j.backup(name), name); err != nil {
				return err
			}
		}
	}
	if err := d.sync(); err != nil {
		return err
	}
	if saved {
		if err := d.restore(j.backup(j.last), j.last); err != nil {
			return err
		}
		if err := d.sync(); err != nil {
			return err
		}
	}
	if err := d.Remove(j.name); err != nil {
		return err
	}
	return d.sync()
}

// newFiles lists the files of ours that the run made, under final or temporary names; old
// has the names that were there before.
func (j *journal) newFiles(d *Dir, old map[string]bool) ([]string, error) {
	names, err := d.Names()
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		unborn := strings.HasPrefix(name, "."+j.group+".") && strings.HasSuffix(name, newSuffix)
		return !unborn && !j.isNew(name, old)
	})
	return d.ours(names)
}

func set(names []string) map[string]bool {
	s := make(map[string]bool, len(names))
	for _, name := range names {
		s[name] = true
	}
	return s
}

func (d *Dir) removeDir(name string) error {
	if err := d.change("remove", name); err != nil {
		return err
	}
	if err := unix.Unlinkat(d.fd(), name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return Fail("remove", d.Join(name), fmt.Errorf("a directory for raw parts: %w", err))
	}
	return nil
}
