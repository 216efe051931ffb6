package look

import (
	"context"
	"errors"
	"fmt"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/contents"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// ToEBS makes a snapshot of a bundle: of a disk, or of a file system for a volume. journal,
// which may be nil, has one to go on with. done is called after each part.
func ToEBS(ctx context.Context, a *cli.App, b *chunk.Bundle, client *ebs.Client, e *cli.EBS, tags map[string]string, journal *ebs.Journal, done func(part int)) (w *ebs.Writer, err error) {
	m := b.Manifest()
	about := create.AboutMaker(create.Maker{Host: m.Host, Machine: m.Machine, Source: m.Source})
	if err := cli.WarnLeftovers(ctx, a, client, about, journal); err != nil {
		return nil, err
	}
	making := e.Making(a, client, tags, about, journal)
	making.Anew = func(id, why string) { a.ErrorLine(ebs.Scheme + id + " is not gone on with: " + why) }
	making.Prefix = m.Prefix
	if c, err := contents.Of(b, b.Size()); err == nil {
		making.InUse = c.InUse
	} else if errors.Is(err, chunk.ErrDamaged) || ctx.Err() != nil {
		return nil, err
	} // what cannot be read counts as in use
	w = client.Create(making)
	defer func() {
		if err != nil {
			err = create.SnapshotLeft(create.Abort(w, err), client, w.ID(), journal)
		}
	}()
	data, zero := m.Split()
	if err := w.Preflight(len(m.Parts), int64(len(data))*chunk.Size); err != nil {
		return nil, err
	}
	if err := w.Write(ctx, b, data, done); err != nil {
		return w, err
	}
	if err := w.WriteZero(ctx, zero, done); err != nil {
		return w, err
	}
	return w, w.Commit(ctx, m)
}

// uploadEBS does "upload BUNDLE ebs:".
func uploadEBS(ctx context.Context, a *cli.App, path string, c *moveConfig, e *cli.EBS) error {
	began := time.Now()
	var rest confine.Rest
	if c.s3.Resume {
		rest = confine.Making(e.JournalDir())
	}
	a.Confine(c.s3.Remote(ctx, rest))
	b, err := OpenBundle(ctx, a, path, c.prefix, &c.s3)
	if err != nil {
		return err
	}
	defer b.Close()
	var journal *ebs.Journal
	if c.s3.Resume {
		if journal, err = e.OpenJournal("upload", string(full(path)), c.prefix); err != nil {
			return err
		}
		defer journal.Close() // every line of it was written at once
	}
	client, err := c.s3.EBS(ctx, a)
	if err != nil {
		return err
	}
	show := moving(a, c.progress, b, progress.Uploading)
	defer show.Close()
	w, err := ToEBS(ctx, a, b, client, e, c.s3.Tags.Values, journal, show.made)
	show.Close()
	if err != nil {
		return err
	}
	m, stats, place, seconds := b.Manifest(), w.Stats(), ebs.Scheme+w.ID(), cli.Seconds(began)
	if c.json {
		return cli.PrintJSON(a.Stdout, Moved{Source: full(path), Dest: chunk.Path(place), Prefix: m.Prefix, ImageSize: b.Size(), Parts: stats.Parts,
			ZeroParts: stats.ZeroParts, SentBytes: stats.Bytes, Seconds: seconds})
	}
	if a.Quiet {
		return nil
	}
	next := "purebundle verify" + c.s3.Again() + " " + place
	if m.Disk != nil {
		next = "purebundle register" + c.s3.Again() + " --name NAME " + place
	}
	return cli.PrintRows(a.Stdout, [][2]string{
		{"uploaded", fmt.Sprintf("%s of %s to %s", words.Plural(int64(stats.Parts), "part"), m.Prefix, place)},
		{"sent", words.Size(stats.Bytes)},
		{"time", fmt.Sprintf("%s, %s", words.Seconds(seconds), words.Rate(float64(stats.Bytes)/max(seconds, 0.001)))},
		{"next", next},
	})
}
