package create

import (
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/create/esp"
	"purebundle/ext2img"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
	"purebundle/walker/edit"
	"purebundle/walker/fat"
)

// fatCopy is a FAT of the disk that is made, the EFI system partition or one of kernels
// (XBOOTLDR): a copy of that of SOURCE, or a new one, with what is changed in it.
type fatCopy struct {
	at    string // where texts of it that are edited are in a tree: "/boot/efi/"
	shown string // where its files stand in the manifest, mounted or not: "ESP:/"
	under io.ReaderAt
	size  int64 // bytes; 0: there is none
	now   time.Time
	made  []chunk.Edit // what was added to a new one before
	open  []esp.File   // of which it is read
	add   []esp.File
	facts *edit.Facts // of texts that are edited; nil: none is

	seen  io.ReaderAt // what was made at the last look
	done  []chunk.Edit
	notes []string // files that are not edited
}

// espPath is where files of an EFI system partition stand in the manifest.
const espPath = "ESP:/"

// newESP returns an EFI system partition of which nothing is known yet.
func newESP() fatCopy { return fatCopy{at: "/boot/efi/", shown: espPath} }

// newBoot returns a FAT of kernels.
func newBoot(under io.ReaderAt, size int64) *fatCopy {
	return &fatCopy{at: "/boot/", shown: "XBOOTLDR:/", under: under, size: size}
}

// ReadAt implements io.ReaderAt: the partition as it was at the last look.
func (e *fatCopy) ReadAt(p []byte, off int64) (int, error) { return e.seen.ReadAt(p, off) }

// used looks at the partition, which may be of a live file system, and changes what it
// finds. It returns what is in use.
func (e *fatCopy) used() ([]ext2img.Range, error) {
	v, err := fat.Edit(e.under, e.size)
	if errors.Is(err, fat.ErrNone) {
		e.seen = e.under
		return []ext2img.Range{{Off: 0, Len: e.size}}, nil
	}
	if err == nil {
		err = e.apply(v)
	}
	if err != nil {
		return nil, err
	}
	e.seen = v
	return usedOf(v.Used())
}

// look returns the partition as it will be, if it is there and a FAT; with edited, texts
// are edited as facts say.
func (e *fatCopy) look(facts *edit.Facts, edited bool) (*fat.Volume, error) {
	if e.size == 0 {
		return nil, nil
	}
	v, err := fat.Edit(e.under, e.size)
	if errors.Is(err, fat.ErrNone) {
		return nil, nil
	}
	trial := fatCopy{at: e.at, shown: e.shown, add: e.add, now: e.now}
	if edited {
		trial.facts = facts
	}
	if err == nil {
		err = trial.apply(v)
	}
	return v, err
}

// apply changes a volume.
func (e *fatCopy) apply(v *fat.Volume) error {
	e.done, e.notes = slices.Clone(e.made), nil
	for _, f := range e.add {
		if err := v.WriteFrom(f.Path, f.Content, f.Size, e.now); err != nil {
			return fmt.Errorf("EFI system partition: %w", err)
		}
		e.done = append(e.done, addedEdit(f))
	}
	if e.facts == nil {
		return nil
	}
	for _, f := range e.facts.Files() {
		pattern, ok := strings.CutPrefix(f.Path, e.at)
		if !ok {
			continue
		}
		for _, name := range esp.Glob(v, pattern) {
			if err := e.edit(v, name, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// edit changes the text of one file, if it is to be another.
func (e *fatCopy) edit(v *fat.Volume, name string, f edit.File) error {
	text, err := v.ReadFile(name, maxEdited)
	var changes []edit.Change
	if err == nil {
		text, changes, err = f.Edit(text)
	}
	if err != nil {
		e.notes = append(e.notes, fmt.Sprintf("%s%s is not edited: %v", e.shown, name, err))
		return nil
	}
	if len(changes) == 0 {
		return nil
	}
	if err := v.WriteFile(name, text, e.now); err != nil {
		return fmt.Errorf("EFI system partition: %w", err)
	}
	e.done = append(e.done, editsOf(e.shown+name, changes)...)
	return nil
}

// addedEdit says in the manifest what was added.
func addedEdit(f esp.File) chunk.Edit {
	what := "added, as it is missing"
	switch {
	case strings.HasPrefix(f.From, "/"):
		what = "added, a copy of " + f.From
	case f.From != "":
		what = "added, a copy of " + espPath + f.From
	}
	return chunk.Edit{Path: chunk.Path(espPath + f.Path), Name: edit.EFI, What: what}
}

// completeESP finds what the EFI system partition of SOURCE's disk lacks, and has it and
// all edits done in the copy.
func (d *Disk) completeESP(opt *Options) error {
	for _, f := range d.fats() {
		f.now = nowOf(opt)
	}
	if d.esp.size == 0 || opt.Edits.Keep {
		return nil
	}
	v, err := fat.Edit(d.esp.under, d.esp.size)
	switch {
	case errors.Is(err, fat.ErrNone):
		d.notes = append(d.notes, "the EFI system partition holds no FAT: it is copied as it is")
		return nil
	case err != nil:
		return fmt.Errorf("EFI system partition: %w", err)
	case !opt.Edits.makes(edit.EFI):
		return nil
	}
	return d.addMissing(opt, v)
}

// addMissing has the files added that a partition lacks.
func (d *Disk) addMissing(opt *Options, v *fat.Volume) error {
	tree, err := lookAt(opt.Source)
	if err != nil {
		return err
	}
	defer tree.Close()
	view := tree.View()
	m := esp.Machine{View: view, Files: bootcheck.Find(view)}
	if dir := grubDir(view); dir != "" {
		m.Config = d.grubStub(opt.Image.UUID, dir)
	}
	d.esp.add, err = esp.Missing(v, m)
	if err == nil {
		trial := fatCopy{at: d.esp.at, shown: d.esp.shown, add: d.esp.add, now: d.esp.now}
		err = trial.apply(v)
	}
	if err != nil { // the partition is copied as it is, as it may be of no use on this machine
		esp.Close(d.esp.add)
		d.esp.add = nil
		d.notes = append(d.notes, fmt.Sprintf("by UEFI a new machine may not start: nothing is added to the EFI system partition: %v", err))
	}
	return nil
}

// lookAt opens a tree for a look at some of its files.
func lookAt(source string) (*walker.Tree, error) {
	plan, err := walker.NewPlan(source, walker.Options{})
	if err != nil {
		return nil, err
	}
	defer plan.Close()
	return plan.Open()
}

// fats returns the FATs that are changed.
func (d *Disk) fats() []*fatCopy {
	switch {
	case d == nil:
		return nil
	case d.boot == nil:
		return []*fatCopy{&d.esp}
	}
	return []*fatCopy{&d.esp, d.boot}
}

// edited returns what was done to files of FATs.
func (d *Disk) edited() (list []chunk.Edit) {
	for _, f := range d.fats() {
		list = append(list, f.done...)
	}
	return list
}

// unedited returns warnings of files of FATs that should be edited.
func (d *Disk) unedited() (list []walker.Warning) {
	for _, f := range d.fats() {
		for _, text := range f.notes {
			list = append(list, walker.Warning{Path: "/", Text: text, Count: 1})
		}
	}
	return list
}

// makes says whether an edit is to be made.
func (c *EditChoice) makes(name string) bool {
	f := edit.Facts{Without: c.Without}
	return !c.Keep && f.Makes(name)
}

// nowOf returns the time of all that a run makes, or that of its base.
func nowOf(opt *Options) time.Time {
	now := opt.Image.Now
	if opt.madeAt != nil {
		now = *opt.madeAt
	}
	return time.Unix(now.Sec, int64(now.Nsec)).UTC()
}

// grubDir returns the directory of a tree in which GRUB's configuration is, "" if it has
// none.
func grubDir(v *walker.View) string {
	for _, dir := range []string{"/boot/grub", "/boot/grub2"} {
		if v.IsFile(path.Join(dir, "grub.cfg")) {
			return dir
		}
	}
	return ""
}

// grubStub returns the configuration of a GRUB in the EFI system partition that leads to the
// one in a directory of the tree, which may lie in a /boot of its own; nil if that is copied.
func (d *Disk) grubStub(root [16]byte, dir string) []byte {
	for _, v := range d.others() {
		if v.holds(dir) {
			return stub(v.names(root).UUID, strings.TrimPrefix(dir, v.at()))
		}
	}
	if d.old.Boot >= 0 {
		return nil
	}
	return stub(uuid.UUID(root).String(), dir)
}

// stub returns the configuration of a GRUB that goes on in a directory of a file system.
func stub(id, dir string) []byte {
	return fmt.Appendf(nil, "search.fs_uuid %s root\nset prefix=($root)%s\nconfigfile $prefix/grub.cfg\n", id, dir)
}
