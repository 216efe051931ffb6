package create

import (
	"cmp"
	"context"
	"io"
	"os"
	"strings"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// target is DEST. Each kind knows how it is opened, what it takes and in which
// words, so that nothing else asks of which kind it is.
type target interface {
	open(ctx context.Context) (Output, error)
	// leaveOut returns what of SOURCE the target itself is.
	leaveOut() []string
	// metered returns img, and what to call after each part, such that the bar shows
	// what is certain.
	metered(img io.ReaderAt, u *progress.UI) (io.ReaderAt, func(part int))
	// traceless says whether nothing is left of what a run wrote that fails.
	traceless() bool
	// failed adds to an error what is to be done about a run that left something.
	failed(err error) error
	// aborting says, if it takes long, that what was made is removed; stop ends that.
	aborting() (stop func())

	full() chunk.Path             // name of DEST that holds everywhere
	shown() string                // name of DEST for people
	lists(under string) string    // where all is listed that the summary counts
	bundle(prefix string) string  // BUNDLE, for a bundle that is one of several there
	need(image image) int64       // bytes at most
	needs() string                // what it needs bytes of
	note(s *Summary, bytes int64) // notes how many it took
	took(s *Summary) string       // says so

	// power returns what it takes to write there.
	power(ctx context.Context) confine.Rest
	// opened returns the capabilities that it takes when it is open.
	opened() []confine.Capability
}

// Output takes the parts of an image: a chunk.Writer, or an ebs.Writer.
type Output interface {
	// Held is that of chunk.Writer, as are the others.
	Held() string
	Preflight(parts int, need int64) error
	Write(ctx context.Context, img io.ReaderAt, parts []int, done func(part int)) error
	WriteZero(ctx context.Context, parts []int, done func(part int)) error
	Commit(ctx context.Context, m *chunk.Manifest) error
	Abort() error
	Stats() chunk.Stats
}

// target returns DEST.
func (r *Run) target() target {
	if ebs.IsPlace(r.Opt.Dest) {
		return &snapshot{r}
	}
	if s3.IsURL(r.Opt.Dest) {
		return &bucket{r.App, &r.Opt, r.base}
	}
	return &directory{&r.Opt, r.held, r.base}
}

// directory is a DEST on this machine, or none at all.
type directory struct {
	opt  *Options
	held string // see Run.Hold
	base *base  // nil: there is none
}

func (d *directory) open(context.Context) (Output, error) {
	return orNil(chunk.Create(d.opt.Dest, chunk.Options{Prefix: d.opt.Prefix, Force: d.opt.Force, Trusted: d.opt.TrustDest, Base: d.base.source()}))
}

// orNil returns a Writer as an Output: one that is nil is none.
func orNil(w *chunk.Writer, err error) (Output, error) {
	if err != nil {
		return nil, err
	}
	return w, nil
}

// leaveOut returns nothing for a directory that is not there, as in a dry run.
func (d *directory) leaveOut() []string {
	dir := cmp.Or(d.opt.Work, d.held, d.opt.Dest)
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	return []string{dir}
}

// metered counts the bytes that are read for the directory.
func (d *directory) metered(img io.ReaderAt, u *progress.UI) (io.ReaderAt, func(int)) {
	return &meteredReader{img, &u.Bytes}, func(int) { u.Parts.Add(1) }
}

func (d *directory) traceless() bool        { return true }
func (d *directory) failed(err error) error { return err }
func (d *directory) aborting() func()       { return func() {} }

func (d *directory) full() chunk.Path {
	if d.opt.Dest == "" {
		return ""
	}
	return chunk.Path(cli.Absolute(d.opt.Dest))
}

func (d *directory) shown() string             { return d.opt.Dest }
func (d *directory) lists(under string) string { return manifestLists(d.opt.Prefix, under) }

func (d *directory) bundle(prefix string) string {
	return strings.TrimSuffix(d.opt.Dest, "/") + "/" + chunk.ManifestName(prefix)
}

// need returns no more than the blocks in use, and no more than the parts that are
// not all zero. The first is low if much is free within parts, the second if inode
// tables and the journal of a large image are empty.
func (d *directory) need(image image) int64 {
	return min(image.Used(), partBytes(image))
}

func (d *directory) needs() string                { return "disk" }
func (d *directory) note(s *Summary, bytes int64) { s.DiskBytes = bytes }
func (d *directory) took(s *Summary) string       { return words.Size(s.DiskBytes) + " on disk" }

func (d *directory) power(ctx context.Context) confine.Rest {
	return d.base.power(ctx, &d.opt.S3, confine.Making(d.opt.Dest))
}

func (d *directory) opened() []confine.Capability { return confine.ForWriting(d.opt.Dest) }

// manifestLists says where in a manifest something is listed.
func manifestLists(prefix, under string) string {
	return chunk.ManifestName(prefix) + " lists them under " + under
}

// bucket is a DEST in S3.
type bucket struct {
	app  *cli.App
	opt  *Options
	base *base // nil: there is none
}

func (b *bucket) open(ctx context.Context) (Output, error) {
	store, err := b.opt.S3.Open(ctx, b.app, b.opt.Place)
	if err != nil {
		return nil, err
	}
	return orNil(store.Create(ctx, chunk.Options{Prefix: b.opt.Prefix, Force: b.opt.Force, GoOn: b.opt.S3.Resume, Base: b.base.source()}))
}

func (b *bucket) leaveOut() []string { return nil }

// metered counts the parts that S3 has acknowledged.
func (b *bucket) metered(img io.ReaderAt, u *progress.UI) (io.ReaderAt, func(int)) {
	u.InParts()
	return img, func(int) {
		u.Parts.Add(1)
		u.Bytes.Add(chunk.Size)
	}
}

// traceless returns false: --resume leaves parts, and requests cost.
func (b *bucket) traceless() bool { return false }

func (b *bucket) failed(err error) error {
	if b.opt.S3.Resume {
		return &cli.LeftError{Err: err, Left: "what is in S3 of it stays: --resume goes on from there"}
	}
	if cli.LeftBehind(err) == "" {
		return err
	}
	if b.opt.Force { // to delete by name would hit the older bundle
		return cli.AddHint(err, "an older bundle there is whole: do not delete it; the same command removes the rest once it succeeds")
	}
	return cli.AddHint(err, "--resume goes on with what is there of it, and it goes with: purebundle delete%s -p %s %s", b.opt.S3.Again(), b.opt.Prefix, words.Quote(b.opt.Dest))
}

func (b *bucket) aborting() func() {
	if b.app.Quiet || b.opt.S3.Resume { // which removes nothing
		return func() {}
	}
	late := time.AfterFunc(time.Second, func() {
		b.app.Say("removing what is in S3 of it; another signal leaves it there")
	})
	return func() { late.Stop() }
}

func (b *bucket) full() chunk.Path             { return chunk.Path(b.opt.Place.String()) }
func (b *bucket) shown() string                { return b.opt.Dest }
func (b *bucket) lists(under string) string    { return manifestLists(b.opt.Prefix, under) }
func (b *bucket) bundle(prefix string) string  { return cli.BundleURL(b.opt.Place, prefix) }
func (b *bucket) needs() string                { return "upload" }
func (b *bucket) note(s *Summary, bytes int64) { s.SentBytes = bytes }

func (b *bucket) took(s *Summary) string { return sentLine(s) }

// sentLine says how much was sent, and what did not have to be.
func sentLine(s *Summary) string {
	sent := words.Size(s.SentBytes) + " sent"
	if s.SkippedParts > 0 {
		sent += ", " + words.Plural(int64(s.SkippedParts), "part was", "parts were") + " there already"
	}
	return sent
}

func (b *bucket) power(ctx context.Context) confine.Rest {
	return b.opt.S3.Remote(ctx, confine.Rest{})
}

func (b *bucket) opened() []confine.Capability { return nil }

// need counts the one part of zeros that is sent, for the others to be copied from.
func (b *bucket) need(image image) int64 {
	return partBytes(image) + int64(min(len(image.Parts().Zero), 1))*chunk.Size
}

// partBytes returns the size of the parts that are not all zero.
func partBytes(image image) int64 {
	parts := image.Parts()
	return int64(len(parts.Data)+len(parts.Meta)) * chunk.Size
}
