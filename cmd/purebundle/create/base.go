package create

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
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
	start    int64         // of root's file system in its image, in bytes
	used     bool          // the layout is one with it
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
	why := r.unfitBase(b.bundle.Manifest())
	if why == "" && b.snapshot != nil && ebs.IsPlace(r.Opt.Dest) {
		why = b.snapshot.Unfit(ebs.Making{Encrypt: r.Opt.EBS.Encrypt, KMSKey: r.Opt.EBS.KMSKey})
	}
	if why != "" {
		r.noBase(name, why)
		return b.bundle.Close()
	}
	if disk := b.bundle.Manifest().Disk; disk != nil {
		for _, p := range disk.Partitions {
			if p.Root {
				b.start = p.Start
			}
		}
	}
	r.base = b
	if r.Opt.AnyUUID {
		r.Opt.Image.UUID = uuid.MustParse(b.bundle.Manifest().Image.UUID)
	}
	return nil
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
	case m.Disk != nil && r.Opt.Disk == nil:
		return "it is a whole disk, and the new one is a file system alone"
	case m.Disk == nil && r.Opt.Disk != nil:
		return "it is a file system alone, and the new one is a whole disk"
	case m.Synced == nil:
		return "it does not say when its run had synced SOURCE"
	case !m.Synced.Before(time.Now()):
		return "it is of the future: the clock was set back"
	case m.Omitted != nil && (m.Omitted.Changes > 0 || m.Omitted.Edits > 0):
		return "its manifest has no room for all that changed"
	}
	return ""
}

// forImage returns the base for the layout, nil if there is none.
func (b *base) forImage(reread bool) *ext2img.Base {
	if b == nil {
		return nil
	}
	m := b.bundle.Manifest()
	size := b.bundle.Size() - b.start // of a disk, root is the last
	base := &ext2img.Base{Image: io.NewSectionReader(b.bundle, b.start, size), Size: size, Reread: reread,
		Synced: ext2img.Time{Sec: m.Synced.Unix(), Nsec: uint32(m.Synced.Nanosecond())}}
	for _, c := range m.Changes {
		base.Changed = append(base.Changed, string(c.Path))
	}
	for _, e := range m.Edits {
		base.Changed = append(base.Changed, string(e.Path))
	}
	return base
}

// laidOut notes whether the layout is one with the base, and says why if it is not.
func (r *Run) laidOut(root *ext2img.Plan) {
	if r.base == nil {
		return
	}
	r.base.bundle.Forget() // what the layout took of it
	why := root.Fresh()
	if start := r.Opt.Disk.lead(); why == "" && start != r.base.start {
		why = fmt.Sprintf("its root begins at byte %d of the disk, and the new one at %d", r.base.start, start)
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
