package create

import (
	"context"
	"io"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// snapshot is a DEST in EBS.
type snapshot struct{ run *Run }

func (s *snapshot) open(ctx context.Context) (_ Output, err error) {
	r := s.run
	if r.Opt.S3.Resume {
		if r.journal, err = r.Opt.EBS.OpenJournal(cli.Absolute(r.Opt.Source), r.Opt.S3.Tags.Values[cli.TagTemplate]); err != nil {
			return nil, err
		}
	}
	client, err := r.Opt.S3.EBS(ctx, r.App)
	if err != nil {
		return nil, err
	}
	about := AboutMaker(MakerOf(r.Opt.Source))
	if err := cli.WarnLeftovers(ctx, r.App, client, about, r.journal); err != nil {
		return nil, err
	}
	m := r.Opt.EBS.Making(r.App, client, r.Opt.S3.Tags.Values, about, r.journal)
	m.Anew = func(id, why string) { r.UI.Warn(ebs.Scheme+id, "is not gone on with: "+why) }
	m.InUse = func(off, n int64) bool { return r.Image.InUse(off, n) }
	m.Prefix = r.Opt.Prefix
	m.Parent = func() *ebs.Snapshot { return r.base.parent() }
	m.Alone = func(why string) { r.UI.Warn(r.base.name, "is not the parent of the new snapshot: "+why) }
	r.volume, r.ebs = client.Create(m), client
	return r.volume, nil
}

// AboutMaker returns the tags of a snapshot that say who made it, of what.
func AboutMaker(m Maker) map[string]string {
	about := map[string]string{cli.TagHost: m.Host, cli.TagSource: words.Printable(string(m.Source))}
	if m.Machine != "" {
		about[cli.TagMachine] = m.Machine
	}
	return about
}

// id returns the name of the snapshot, as far as it has one.
func (s *snapshot) id() string {
	if s.run.volume == nil {
		return ebs.Scheme
	}
	return ebs.Scheme + s.run.volume.ID()
}

// leaveOut returns the directory of the journal, which changes all the time.
func (s *snapshot) leaveOut() []string {
	if s.run.journal == nil {
		return nil
	}
	return []string{s.run.Opt.EBS.JournalDir()}
}

// metered counts the parts that EBS has acknowledged.
func (s *snapshot) metered(img io.ReaderAt, u *progress.UI) (io.ReaderAt, func(int)) {
	u.InParts()
	return img, func(int) {
		u.Parts.Add(1)
		u.Bytes.Add(chunk.Size)
	}
}

// traceless returns false: a snapshot that is begun is seen, and may stay behind.
func (s *snapshot) traceless() bool { return false }

func (s *snapshot) failed(err error) error {
	if s.run.volume == nil {
		return err
	}
	return SnapshotLeft(err, s.run.ebs, s.run.volume.ID(), s.run.journal)
}

// SnapshotLeft adds to the error of a run what is left of its snapshot, "" if that was not
// started, and what to do about it. journal may be nil.
func SnapshotLeft(err error, client *ebs.Client, id string, journal *ebs.Journal) error {
	switch {
	case id == "":
		return err
	case journal != nil:
		left := &cli.LeftError{Err: err, Left: "what is in " + ebs.Scheme + id + " stays: --resume goes on from there"}
		return cli.AddHint(left, "or %s deletes it", client.Delete(id))
	case cli.LeftBehind(err) == "":
		return err
	}
	return cli.AddHint(err, "%s", client.Delete(id))
}

func (s *snapshot) aborting() func() {
	if s.run.App.Quiet || s.run.journal != nil { // which deletes nothing
		return func() {}
	}
	late := time.AfterFunc(time.Second, func() { s.run.App.Say("deleting " + s.id() + "; another signal leaves it there") })
	return func() { late.Stop() }
}

func (s *snapshot) full() chunk.Path           { return chunk.Path(s.id()) }
func (s *snapshot) shown() string              { return s.id() }
func (s *snapshot) lists(string) string        { return "--progress plain -v shows them" }
func (s *snapshot) bundle(string) string       { return s.id() }
func (s *snapshot) need(image image) int64     { return image.Used() }
func (s *snapshot) needs() string              { return "upload" }
func (s *snapshot) note(sum *Summary, n int64) { sum.SentBytes = n }

func (s *snapshot) took(sum *Summary) string { return sentLine(sum) }

func (s *snapshot) power(ctx context.Context) confine.Rest {
	var rest confine.Rest
	if s.run.Opt.S3.Resume {
		rest = confine.Making(s.run.Opt.EBS.JournalDir())
	}
	return s.run.base.power(ctx, &s.run.Opt.S3, s.run.Opt.S3.Remote(ctx, rest))
}

func (s *snapshot) opened() []confine.Capability { return nil }
