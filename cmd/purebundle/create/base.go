package create

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/words"
	"purebundle/ext2img"
)

// base is an older bundle of SOURCE that the new one keeps to.
type base struct {
	name     string // as it was given
	bundle   *chunk.Bundle
	snapshot *ebs.Snapshot // that it is in; nil: it is in none
	given    bool          // the layout may be one with it
	used     bool          // it is
}

// OpenBase opens the bundle that Options.Base names. One that is of no use is left, and a
// warning says why.
func (r *Run) OpenBase(ctx context.Context) error {
	name := r.Opt.Base
	if name == "" {
		return nil
	}
	b := &base{name: name}
	err := r.loadBase(ctx, b)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		r.noBase(name, err.Error())
		return nil
	}
	why := cmp.Or(r.unfitBase(b.bundle.Manifest()), r.Opt.Disk.unlike(b.bundle.Manifest().Disk))
	if why == "" && b.snapshot != nil && ebs.IsPlace(r.Opt.Dest) {
		why = b.snapshot.Unfit(ebs.Making{Encrypt: r.Opt.EBS.Encrypt, KMSKey: r.Opt.EBS.KMSKey})
	}
	if why != "" {
		r.noBase(name, why)
		return b.bundle.Close()
	}
	r.base = b
	if r.Opt.AnyUUID && r.Opt.Disk == nil { // else LikeBase has done so
		r.Opt.Image.UUID = uuid.MustParse(b.bundle.Manifest().Image.UUID)
	}
	return nil
}

// LikeBase gives what is made of nothing for a disk, before that is opened, UUID and
// times of the base: partitions that are new each time would be other ones. What is wrong with the base
// OpenBase says.
func LikeBase(ctx context.Context, a *cli.App, opt *Options) error {
	r := &Run{App: a, Opt: *opt}
	b := &base{name: opt.Base}
	err := r.loadBase(ctx, b)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return nil
	}
	defer b.bundle.Close()
	m := b.bundle.Manifest()
	if m.Disk == nil || r.unfitBase(m) != "" {
		return nil
	}
	if opt.AnyUUID {
		opt.Image.UUID = uuid.MustParse(m.Image.UUID)
	}
	for _, p := range m.Disk.Partitions {
		if image := sectionOf(b.bundle, p); p.Root {
			if t, err := ext2img.MadeAt(image, image.Size()); err == nil {
				opt.madeAt = &t
			}
		}
	}
	return nil
}

// sectionOf returns a partition that is made, with all of the parts it lies in.
func sectionOf(b *chunk.Bundle, p chunk.Partition) *io.SectionReader {
	end := p.Start + (p.Size+chunk.Size-1)/chunk.Size*chunk.Size
	if p.Root {
		end = b.Size()
	}
	return io.NewSectionReader(b, p.Start, end-p.Start)
}

// loadBase opens the bundle that b names: in a directory or in S3 its manifest, or the only
// one there; or a snapshot.
func (r *Run) loadBase(ctx context.Context, b *base) (err error) {
	switch {
	case ebs.IsPlace(b.name):
		if b.snapshot, err = r.Opt.S3.OpenSnapshot(ctx, r.App, b.name); err != nil {
			return err
		}
		b.bundle, err = b.snapshot.Bundle(ctx)
	case s3.IsURL(b.name):
		b.bundle, err = r.loadBaseS3(ctx, b.name)
	default:
		b.bundle, err = chunk.Load(b.name, "")
	}
	return err
}

// loadBaseS3 opens a bundle in S3.
func (r *Run) loadBaseS3(ctx context.Context, name string) (*chunk.Bundle, error) {
	loc, prefix, err := s3.ParseBundle(name)
	if err != nil {
		return nil, err
	}
	store, err := r.Opt.S3.Open(ctx, r.App, loc)
	if err == nil {
		store, err = store.Home(ctx)
	}
	if err != nil {
		return nil, err
	}
	return store.Load(ctx, prefix)
}

// CloseBase closes what OpenBase has opened.
func (r *Run) CloseBase() {
	if r.base != nil {
		_ = r.base.bundle.Close() // only read from
	}
}

// noBase says that a base is not used.
func (r *Run) noBase(name, why string) {
	r.NoBase(name + ": " + why)
	r.UI.Warn(name, "is not used as the base: "+why)
}

// NoBase notes why the bundle has no base, though it might have had one.
func (r *Run) NoBase(why string) { r.baseless = why }

// unfitBase says why a bundle cannot be the base of this one, "" if it can.
func (r *Run) unfitBase(m *chunk.Manifest) string {
	tool := "purebundle " + r.App.Version
	if why := MakerOf(r.Opt.Source).Stranger(m); why != "" {
		return "it " + why
	}
	switch {
	case m.Tool != tool:
		return fmt.Sprintf("it was made by %s, and this is %s", m.Tool, tool)
	case m.Synced == nil:
		return "it does not say when its run had synced SOURCE"
	case !m.Synced.Before(time.Now()):
		return "it is of the future: the clock was set back"
	case m.Omitted != nil && (m.Omitted.Changes > 0 || m.Omitted.Edits > 0):
		return "its manifest has no room for all that changed"
	}
	return ""
}

// forImage returns the base for the layout of root, or of another file system that is made,
// nil if there is none; d is the disk that is made, with the partition of that number.
func (b *base) forImage(d *Disk, number int, at string, reread bool) *ext2img.Base {
	if b == nil {
		return nil
	}
	m := b.bundle.Manifest()
	image := io.NewSectionReader(b.bundle, 0, b.bundle.Size())
	if m.Disk != nil {
		i := slices.IndexFunc(m.Disk.Partitions, func(p chunk.Partition) bool {
			return p.Number == number && (p.Root || p.FS != nil && p.FS.Made)
		})
		if i < 0 || m.Disk.Partitions[i].Start != d.layout.Start(number) {
			return nil
		}
		image = sectionOf(b.bundle, m.Disk.Partitions[i])
	}
	base := &ext2img.Base{Image: image, Size: image.Size(), Reread: reread,
		Synced: ext2img.Time{Sec: m.Synced.Unix(), Nsec: uint32(m.Synced.Nanosecond())}}
	changed := func(path chunk.Path) {
		if rest, ok := strings.CutPrefix(string(path), at); ok && (rest == "" || rest[0] == '/') {
			base.Changed = append(base.Changed, cmp.Or(rest, "/"))
		}
	}
	for _, c := range m.Changes {
		changed(c.Path)
	}
	for _, e := range m.Edits {
		changed(e.Path)
	}
	return base
}

// keepTo has the file systems laid out with the base: those beside root, or root when they
// are laid out.
func (r *Run) keepTo(root *ext2img.Builder) {
	switch d := r.Opt.Disk; {
	case r.base == nil:
	case root == nil:
		for _, v := range d.others() {
			v.builder.KeepTo(r.base.forImage(d, v.old.Number, v.at(), r.Opt.Reread))
		}
	default:
		base := r.base.forImage(d, d.rootNumber(), "", r.Opt.Reread)
		r.base.given = base != nil
		root.KeepTo(base)
	}
}

// laidOut notes whether the layout is one with the base, and says why if it is not.
func (r *Run) laidOut(root *ext2img.Plan) {
	if r.base == nil {
		return
	}
	r.base.bundle.Forget() // what the layout took of it
	why := root.Fresh()
	if !r.base.given {
		why = "its root begins elsewhere on the disk"
	}
	if why != "" {
		r.noBase(r.base.name, why+"; the image is laid out anew")
		return
	}
	r.base.used = true
}

// parent returns the snapshot that a new one is to be made of, nil if there is none.
func (b *base) parent() *ebs.Snapshot {
	if b == nil || !b.used {
		return nil
	}
	return b.snapshot
}

// source returns the bundle that parts may be taken from, nil if there is none.
func (b *base) source() *chunk.Bundle {
	if b == nil {
		return nil
	}
	return b.bundle
}

// manifest returns what the manifest says of the base, of which so many parts are.
func (b *base) manifest(kept int) *chunk.Base {
	if b == nil || !b.used {
		return nil
	}
	m := b.bundle.Manifest()
	since := m.Created
	if m.Base != nil {
		since = m.Base.Since
	}
	return &chunk.Base{Bundle: b.path(), Created: m.Created, Since: since, Kept: kept}
}

// path returns the manifest of the base, by a name that holds everywhere.
func (b *base) path() chunk.Path {
	if path := b.bundle.Path(); cli.IsRemote(path) {
		return chunk.Path(path)
	}
	return chunk.Path(cli.Absolute(b.bundle.Path()))
}

// power adds to rest what it takes to take parts of the base.
func (b *base) power(ctx context.Context, c *cli.S3, rest confine.Rest) confine.Rest {
	switch {
	case b == nil:
		return rest
	case cli.IsRemote(b.bundle.Path()):
		return c.Remote(ctx, rest)
	}
	rest.Link = []string{filepath.Dir(b.bundle.Path())}
	return rest
}

// baseRows say what was kept, for people, or why nothing was looked at; what is wrong with
// a base is a warning.
func (r *Run) baseRows(s *Summary) [][2]string {
	switch {
	case s.Base != "":
		return [][2]string{{"base", s.baseLine()}}
	case s.NoBase != "" && r.Opt.Base == "":
		return [][2]string{{"base", "none: " + s.NoBase}}
	}
	return nil
}

// baseLine says how many parts were kept, and what the others took.
func (s *Summary) baseLine() string {
	base := strings.TrimSuffix(string(s.Base), "/"+chunk.ManifestName("image")) // which needs no name
	text := fmt.Sprintf("kept %s of %s of %s", words.Count(int64(s.KeptParts)), words.Plural(int64(s.Parts-s.ZeroParts), "part"), words.Printable(base))
	if s.DryRun {
		return text
	}
	text = fmt.Sprintf("%s; %s read (%s)", text, words.Plural(s.FilesRead, "file"), words.Size(s.BytesRead))
	if cli.IsRemote(string(s.Dest)) {
		text += ", " + words.Size(s.SentBytes) + " sent"
	}
	return text
}
