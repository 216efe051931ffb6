package create

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img"
	"purebundle/walker"
	"purebundle/walker/edit"
)

// edits stands between the walk and the image: some files have another text there. The
// walk knows nothing of it, and SOURCE stays as it is. An edited file keeps owner, mode,
// attributes and times but the last of them; what it was may stay beside it.
type edits struct {
	files []editFile
	fstab []byte // what /etc/fstab is to be instead, whatever it is; nil: see files
	put   func(*walker.Entry, []byte) error
	open  func(path string, st *unix.Stat_t) (int, error)
	now   ext2img.Time

	wait         []waiting         // files that the walk does not bring, in its order
	from         map[string]string // where SOURCE has the content of one of them
	texts, bytes int               // new ones, and their length together
	made         bool              // fstab has a place

	done     []chunk.Edit
	warnings []walker.Warning
}

// editFile is a file to be edited, and what its pattern begins with.
type editFile struct {
	edit.File
	fixed string
}

// setFiles says what is to be edited.
func (d *edits) setFiles(files []edit.File) {
	d.files = nil
	for _, f := range files {
		fixed, _, _ := strings.Cut(f.Path, "*")
		d.files = append(d.files, editFile{f, fixed})
	}
}

// waiting is a file that is added when its turn comes.
type waiting struct {
	entry walker.Entry
	text  []byte // nil: that of from
	from  string
	done  []chunk.Edit // what was done to it
}

// Bounds of what is edited: all new texts are in memory.
const (
	maxEdited     = 1 << 20  // bytes of a file
	maxEditedText = 16 << 20 // bytes of all of them together
	maxEdits      = 1000     // files
)

// The file that Run.Fstab replaces, and the name that it then has.
const (
	fstabPath = "/etc/fstab"
	fstabOld  = "fstab.old"
)

// add adds an entry of the walk, and before it what comes before it.
func (d *edits) add(e *walker.Entry) error {
	if err := d.flush(e.Path); err != nil {
		return err
	}
	if len(d.wait) > 0 && d.wait[0].entry.Path == e.Path { // one of ours takes its place
		if e.Path == fstabPath {
			d.wait = d.wait[1:]
		} else {
			return nil
		}
	}
	switch {
	case d.fstab != nil && e.Path == fstabPath:
		return d.replace(e)
	case d.fstab != nil && e.Path == path.Dir(fstabPath) && e.Mode&unix.S_IFMT == unix.S_IFDIR:
		d.made = true
		d.later(waiting{entry: d.ownEntry(), text: d.fstab})
	case e.Mode&unix.S_IFMT == unix.S_IFDIR:
		d.makeIn(e.Path)
	}
	if f := d.find(e.Path); f != nil {
		return d.edit(e, f)
	}
	return d.put(e, nil)
}

// find returns how a path is to be edited, nil if it is not.
func (d *edits) find(name string) *edit.File {
	for i := range d.files {
		f := &d.files[i]
		if !strings.HasPrefix(name, f.fixed) {
			continue
		}
		if ok, err := path.Match(f.Path, name); ok && err == nil {
			return &f.File
		}
	}
	return nil
}

// makeIn has the files of a directory made that are to be if they are missing.
func (d *edits) makeIn(dir string) {
	for _, f := range d.files {
		if !f.Make || path.Dir(f.Path) != dir {
			continue
		}
		text, changes, err := f.Edit(nil)
		if err != nil || len(changes) == 0 {
			continue
		}
		w := waiting{entry: d.ownEntry(), text: text}
		w.entry.Path = f.Path
		w.done = editsOf(f.Path, changes)
		d.later(w)
	}
}

// editsOf returns what was done to a file in the form of the manifest.
func editsOf(name string, changes []edit.Change) (list []chunk.Edit) {
	for _, c := range changes {
		list = append(list, chunk.Edit{Path: chunk.Path(name), Name: c.Name, What: c.What})
	}
	return list
}

// edit adds an entry with the text that it is to have.
func (d *edits) edit(e *walker.Entry, f *edit.File) error {
	keep := func(why string) error {
		d.warnings = append(d.warnings, walker.Warning{Path: e.Path, Text: "not edited: " + why, Count: 1})
		return d.put(e, nil)
	}
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFLNK:
		if d.find(path.Join(path.Dir(e.Path), e.Target)) != nil && !path.IsAbs(e.Target) || d.find(e.Target) != nil {
			return d.put(e, nil) // the file that it leads to is edited
		}
		return keep("it is a symbolic link to " + e.Target)
	default:
		return d.put(e, nil)
	}
	if e.Size > maxEdited {
		return keep(fmt.Sprintf("it has %d bytes, more than the %d that are read", e.Size, maxEdited))
	}
	old, flags, err := d.read(e.Path)
	if err != nil {
		return keep(err.Error())
	}
	text, changes, err := f.Edit(old)
	switch {
	case err != nil:
		return keep(err.Error())
	case bytes.Equal(text, old):
		return d.put(e, nil)
	case d.bytes+len(text) > maxEditedText || d.texts == maxEdits:
		return keep("too much else is edited")
	}
	d.texts++
	d.bytes += len(text)
	d.done = append(d.done, editsOf(e.Path, changes)...)
	edited := *e
	edited.Flags |= flags
	if f.Keep != "" {
		d.keep(e, f.Keep)
	}
	return d.putText(edited, text)
}

// replace adds the fstab that was given in the place of SOURCE's.
func (d *edits) replace(e *walker.Entry) error {
	edited := d.ownEntry()
	switch e.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return fmt.Errorf("fstab: %s is a directory in SOURCE", e.Path)
	case unix.S_IFREG:
		edited = *e
	}
	d.made = true
	d.keep(e, fstabOld)
	return d.putText(edited, d.fstab)
}

// ownEntry is that of an fstab where SOURCE has none.
func (d *edits) ownEntry() walker.Entry {
	now := walker.Time(d.now)
	return walker.Entry{Path: fstabPath, Mode: unix.S_IFREG | 0o644, Atime: now, Mtime: now, Ctime: now}
}

// keep has an entry added under another name beside it, where its turn comes.
func (d *edits) keep(e *walker.Entry, name string) {
	old := waiting{entry: *e, from: e.Path}
	old.entry.Path, old.entry.Steady = path.Join(path.Dir(e.Path), name), false
	old.entry.Xattrs, old.entry.Data = slices.Clone(e.Xattrs), slices.Clone(e.Data)
	if e.Link != "" || e.Mode&unix.S_IFMT != unix.S_IFREG {
		old.from = ""
	}
	d.later(old)
}

// putText adds a file of its own with the metadata of e.
func (d *edits) putText(e walker.Entry, text []byte) error {
	e.Steady = false
	e.Size, e.Data, e.Mark, e.Link, e.Nlink, e.Mtime = int64(len(text)), nil, 0, "", 1, walker.Time(d.now)
	return d.put(&e, text)
}

func (d *edits) later(w waiting) {
	i, _ := slices.BinarySearchFunc(d.wait, w, func(a, b waiting) int { return inOrder(a.entry.Path, b.entry.Path) })
	d.wait = slices.Insert(d.wait, i, w)
}

// flush adds what comes before a path in the order of the walk; before "", the end,
// everything.
func (d *edits) flush(before string) error {
	for len(d.wait) > 0 && (before == "" || inOrder(d.wait[0].entry.Path, before) < 0) {
		w := d.wait[0]
		d.wait = d.wait[1:]
		if w.text != nil {
			if err := d.putText(w.entry, w.text); err != nil {
				return err
			}
			d.done = append(d.done, w.done...)
			continue
		}
		if w.from != "" {
			d.from[w.entry.Path] = w.from
		}
		if err := d.put(&w.entry, nil); err != nil {
			return err
		}
	}
	return nil
}

// inOrder compares paths in the order of the walk: what is below a directory comes
// directly after it.
func inOrder(a, b string) int {
	return slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
}

// finish adds what is left at the end of the walk.
func (d *edits) finish() error {
	if err := d.flush(""); err != nil || d.fstab == nil {
		return err
	}
	if !d.made {
		return cli.WithHint(fmt.Errorf("fstab: SOURCE has no directory %s", path.Dir(fstabPath)), "leave the fstab options away")
	}
	d.done = append(d.done, chunk.Edit{Path: fstabPath, Name: "fstab", What: "the fstab that was asked for; an old one is " + fstabOld})
	return nil
}

// read returns the text of a file of SOURCE, and its flags.
func (d *edits) read(name string) (text []byte, flags uint32, err error) {
	var st unix.Stat_t
	fd, err := d.open(name, &st)
	if err != nil {
		return nil, 0, err
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	text, err = io.ReadAll(io.LimitReader(file, maxEdited+1))
	if err == nil && len(text) > maxEdited {
		err = errors.New("it grows")
	}
	return text, walker.Flags(fd), err
}

// opener opens what stays beside an edited file.
func (d *edits) opener(open ext2img.Opener) ext2img.Opener {
	return func(name string, st *unix.Stat_t) (int, error) {
		if from, ok := d.from[name]; ok {
			name = from
		}
		return open(name, st)
	}
}
