package create

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
	"purebundle/walker"
)

// Run is one run that makes an image: its options, and what it found.
type Run struct {
	App *cli.App
	Opt Options
	UI  *progress.UI

	Began    time.Time
	Tree     *walker.Tree
	counts   chunk.Counts
	Image    image
	Report   ext2img.Report
	sizes    *directorySizes // with --dry-run
	excluded measuring       // what is left out by an exclude, and its size
	edits    edits
	Fstab    []byte // what /etc/fstab is to be in the image, the old one beside it; nil: that of SOURCE
	held     string // see Hold
	base     *base  // nil: there is none
	baseless string // why the image has none though one was looked for; "": none was
	synced   *time.Time
	boot     *bootCheck // nil: whether the disk would start is not judged

	volume  *ebs.Writer // what DEST is, if it is in EBS
	ebs     *ebs.Client
	journal *ebs.Journal // of it, with --resume

	opened  func(*walker.Tree) error // gives up power when SOURCE is open; nil: keeps it
	walked  func()                   // called when the walk is over; nil: nothing is
	trusted bool                     // a regular file has attributes trusted.*

	TooSmall func(*ext2img.TooSmallError) error // says that --size is; nil: in the words of "bundle"
}

// Plan walks SOURCE and lays the image out. It reads metadata only and writes
// nothing.
func (r *Run) Plan(ctx context.Context) error {
	r.Began = time.Now()
	r.UI.Begin(progress.Scanning)
	params, err := r.Opt.Disk.params(r.Opt.Image) // of --size too small, the walk need not be waited for
	if err != nil {
		return r.tooSmall(err)
	}
	params.Xattrs = func(path string, fd int) ([]ext2img.Xattr, error) {
		list, err := r.Tree.Xattrs(path, fd)
		return adaptXattrs(list), err
	}
	params.Unseen = unseen
	params.BareTables = ebs.IsPlace(r.Opt.Dest)
	params.Mark, params.Flags = walker.Mark, walker.Flags
	builder := ext2img.NewBuilder(params)
	for _, v := range r.Opt.Disk.others() {
		v.begin(params)
	}
	r.edits = edits{fstab: r.Fstab, now: params.Now, from: make(map[string]string), put: func(e *walker.Entry, text []byte) error {
		return r.put(builder, e, text)
	}}
	plan := r.Opt.Mounts
	plan.Options.LeaveOut, plan.Options.Opened = r.target().leaveOut(), r.begin
	tree, err := plan.Walk(ctx, r.edits.add)
	if err != nil {
		return err
	}
	if err := r.edits.finish(); err != nil {
		tree.Close()
		return err
	}
	r.Tree = tree
	open := r.edits.opener(opener(tree))
	r.keepTo(nil)
	if params, err = r.Opt.Disk.settle(open, r.Opt.Image); err != nil {
		return r.tooSmall(err)
	}
	tree.Warnings = slices.Concat(r.Opt.Notes.warnings(), r.Opt.Disk.warnings(), tree.Warnings, r.edits.warnings)
	if r.walked != nil {
		r.walked()
	}
	if len(tree.Unused) > 0 && r.Opt.AllUsed {
		tree.Close()
		return cli.WithHint(cli.Usagef("bundle %s: %s", r.Opt.Source, strings.Join(tree.Unused, "; ")), "paths are below %s", r.Opt.Source)
	}
	r.sayLeftOut()
	builder.Resize(params.Size)
	r.keepTo(builder)
	root, err := builder.Layout(open)
	if err == nil {
		r.laidOut(root)
		r.Image, err = r.Opt.Disk.around(root)
		r.edits.done = append(r.edits.done, r.Opt.Disk.edited()...)
		tree.Warnings = append(tree.Warnings, r.Opt.Disk.unedited()...)
	}
	if err != nil {
		return r.tooSmall(err)
	}
	r.counts.DataBytes = r.Image.Stats().DataBytes
	return nil
}

// put adds an entry to the file system that it belongs in, with a text if that is its content.
func (r *Run) put(root *ext2img.Builder, e *walker.Entry, text []byte) error {
	if e.Under { // of the directory on which a volume is mounted, root has what it is of itself
		return addEntry(root, e, e.Path, text)
	}
	r.met(e)
	for _, v := range r.Opt.Disk.others() {
		if v.holds(e.Path) {
			return v.add(e, text)
		}
	}
	return addEntry(root, e, e.Path, text)
}

// tooSmall says what to do about an error of the layout.
func (r *Run) tooSmall(err error) error {
	small, ok := errors.AsType[*ext2img.TooSmallError](err)
	switch {
	case !ok:
		return fmt.Errorf("lay out %s: %w", r.Opt.Source, err)
	case r.TooSmall != nil:
		return r.TooSmall(small)
	}
	need := r.Opt.Disk.least(small.Need)
	return cli.WithHint(fmt.Errorf("bundle %s: --size %s is too small: the content needs %s", r.Opt.Source, words.Size(r.Opt.Image.Size), words.Size(need)),
		"--size %d is the least that works; --size auto picks one with room", need)
}

// unseen returns what nobody sees of a file that took another's place when the walk
// was over: the power to see trusted.* is given up then, unless some file had such.
func unseen() string {
	if walker.SeesTrusted() {
		return ""
	}
	return "its attributes trusted.*, if it has any, are not in the image: CAP_SYS_ADMIN was given up"
}

// opener opens files of the walked tree in the words that ext2img understands.
func opener(tree *walker.Tree) ext2img.Opener {
	return func(path string, st *unix.Stat_t) (int, error) {
		fd, err := tree.Open(path, st)
		if errors.Is(err, walker.ErrNotRegular) {
			err = fmt.Errorf("%w: %w", ext2img.ErrReplaced, err)
		}
		return fd, err
	}
}

// met counts one entry of the walk, for the manifest and for the bar.
func (r *Run) met(e *walker.Entry) {
	tally(&r.counts, e)
	r.UI.Entries.Add(1)
	if e.Link == "" && e.Mode&unix.S_IFMT == unix.S_IFREG {
		r.UI.Found.Add(e.Size)
		r.trusted = r.trusted || slices.ContainsFunc(e.Xattrs, func(x walker.Xattr) bool { return strings.HasPrefix(x.Name, "trusted.") })
	}
	if e.Mode&unix.S_IFMT == unix.S_IFDIR {
		dir := e.Path
		r.UI.Dir.Store(&dir)
	}
	if r.sizes != nil {
		r.sizes.add(e)
	}
}

// addEntry adds one entry of the walk to a file system, in which it has a path of its own;
// with a text, that is its content.
func addEntry(b *ext2img.Builder, e *walker.Entry, path string, text []byte) error {
	f := adapt(e)
	f.Content = text
	if e.Link != "" {
		return b.Link(path, f)
	}
	return b.Add(path, f)
}

// begin is called when SOURCE is open: the decisions about its mounts are made.
func (r *Run) begin(tree *walker.Tree) error {
	r.edits.open = tree.Open
	if !r.Opt.DryRun && r.Opt.Image.Latest == nil { // with --time, every byte comes of the tree
		// A bundle that cannot say when is no base for the next: nothing else comes of it.
		if synced, err := tree.Sync(); err == nil {
			r.synced = &synced
		}
	}
	if f := r.facts(tree); f != nil {
		r.edits.setFiles(f.Files())
	}
	if r.App.Verbose {
		for _, m := range tree.Mounts {
			r.UI.Say(m.Path, mountLine(m))
		}
	}
	if r.opened == nil {
		return nil
	}
	return r.opened(tree)
}

// sayLeftOut prints what the walk left out, with -v, and what it could not
// read and should be known, always.
func (r *Run) sayLeftOut() {
	if r.App.Verbose {
		for _, l := range r.Tree.Filtered {
			r.UI.Say(l.Path, "left out: "+l.Rule)
		}
		for _, l := range r.Tree.Excluded {
			r.UI.Say(l.Path, "excluded: "+l.Rule)
		}
		for _, l := range r.Tree.Keys {
			r.UI.Say(l.Path, "in the image, looks like a key: "+l.Rule)
		}
	}
	few := newFew(r)
	for _, p := range r.Tree.Unreadable {
		few.warn(p.Path, "not in the image: "+p.Err.Error())
	}
	few.end("unreadable", r.Tree.Omitted.Unreadable)
	for _, w := range r.Tree.Warnings {
		if !few.all() {
			few.warn(w.Path, countedText(w.Text, w.Count))
			continue
		}
		for _, path := range append([]string{w.Path}, w.More...) {
			few.warn(path, w.Text)
		}
		if n := w.Unlisted(); n > 0 {
			few.warn("", fmt.Sprintf("%s (%s more that are not listed)", w.Text, words.Count(int64(n))))
		}
	}
	few.end("warnings", r.Tree.Omitted.Warnings)
}

// countedText says for how many paths a warning stands.
func countedText(text string, count int) string {
	if count < 2 {
		return text
	}
	return fmt.Sprintf("%s (and %s more)", text, words.Count(int64(count-1)))
}

// warnings counts the warnings of the walk and of the image, each path by itself.
func (r *Run) warnings() int {
	n := r.Tree.Omitted.Warnings + len(r.Report.Warnings) + r.Report.MoreWarnings
	for _, w := range r.Tree.Warnings {
		n += w.Count
	}
	return n
}

// SayHidden says how many warnings there were if none was shown; lists says where
// they are.
func (r *Run) SayHidden(lists string) {
	if n := r.warnings(); n > 0 && r.UI.Silent {
		r.App.Say(fmt.Sprintf("warning: %s not shown; %s", words.Plural(int64(n), "warning was", "warnings were"), lists))
	}
}

// maxListed is how many warnings of one kind reach the screen without -v; the
// manifest has 10,000.
const maxListed = 20

// few prints warnings, up to maxListed of a kind.
type few struct {
	run  *Run
	said int
}

func newFew(r *Run) *few { return &few{run: r} }

// all says whether each one is wanted: by a person who said so, or by a program.
func (f *few) all() bool { return f.run.App.Verbose || f.run.UI.ForPrograms }

func (f *few) warn(path, text string) {
	if f.said++; f.said <= maxListed || f.all() {
		f.run.UI.Warn(path, text)
	}
}

// end says how many were not printed, with those that no list has room for, and starts
// the next kind.
func (f *few) end(kind string, omitted int) {
	if !f.all() {
		omitted += max(0, f.said-maxListed)
	}
	if omitted > 0 {
		where := "; -v lists more, as does the manifest"
		if f.all() {
			where = " that are not listed"
		}
		f.run.UI.Warn("", words.Count(int64(omitted))+" more "+kind+where)
	}
	f.said = 0
}
