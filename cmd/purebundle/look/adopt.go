package look

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/contents"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/progress"
	"purebundle/walker/survey"
)

// adopt makes a bundle in dest of a snapshot that has no manifest. The image is a volume
// made of it, and zeros up to the end of the last part.
func adopt(ctx context.Context, a *cli.App, place, dest string, c *moveConfig) error {
	began := time.Now()
	s, err := c.s3.OpenSnapshot(ctx, a, place)
	if err != nil {
		return err
	}
	defer s.Close()
	found, err := contents.Of(s, s.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	m := describe(a, place, s, found)
	s.Forget()
	var data, zero []int
	for i := range s.Parts() {
		if s.Empty(i) {
			zero = append(zero, i)
		} else {
			data = append(data, i)
		}
	}
	prefix := c.prefix
	if prefix == "" {
		prefix = "image"
	}
	if err := chunk.CheckPrefix(prefix); err != nil {
		return &cli.UsageError{Err: err}
	}
	show := partsShown{a.Show(c.progress)}
	defer show.Close()
	show.AllBytes.Store(int64(len(data)) * chunk.Size)
	show.AllParts.Store(int64(len(data)))
	show.Begin(progress.Downloading)
	show.InParts()
	out, err := c.output(ctx, a, dest, prefix)
	if err != nil {
		return err
	}
	err = out.Preflight(s.Parts(), int64(len(s.Blocks()))*ebs.BlockSize)
	if err == nil {
		err = out.Write(ctx, padded{s}, data, show.made)
	}
	if err == nil {
		err = out.WriteZero(ctx, zero, nil)
	}
	if err == nil {
		show.Begin(progress.Finishing)
		err = out.Commit(ctx, m)
	}
	err = create.Abort(out, err)
	show.Close()
	if err != nil {
		return err
	}
	return c.fetched(a, place, dest, m, out.Stats(), began)
}

// padded reads a snapshot, and zeros behind it.
type padded struct{ *ebs.Snapshot }

func (p padded) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.Snapshot.ReadAt(b, off)
	if errors.Is(err, io.EOF) {
		clear(b[n:])
		return len(b), nil
	}
	return n, err
}

// describe returns what a manifest can say of a snapshot by what is in it.
func describe(a *cli.App, place string, s *ebs.Snapshot, found *contents.Contents) *chunk.Manifest {
	info := found.Systems[0].FS.Info()
	created := s.Info().Began.UTC().Truncate(time.Second)
	m := &chunk.Manifest{Tool: "purebundle " + a.Version, Created: created, Source: chunk.Path(place), Image: chunk.Image{
		FSSize: int64(info.Blocks) * int64(info.BlockSize), BlockSize: int64(info.BlockSize), Blocks: int64(info.Blocks), FreeBlocks: int64(info.FreeBlocks),
		Inodes: int64(info.Inodes), FreeInodes: int64(info.FreeInodes), Type: "ext4", Label: info.Label, UUID: uuid.UUID(info.UUID).String()}}
	t := found.Table
	if t == nil {
		return m
	}
	m.Disk = &chunk.Disk{Table: t.Table, ID: t.GUID}
	if t.Table == "dos" {
		m.Disk.ID = fmt.Sprintf("0x%08x", t.Signature)
	}
	for _, p := range t.Partitions {
		if !p.Extended {
			m.Disk.Partitions = append(m.Disk.Partitions, describePartition(p, found.Systems))
		}
	}
	return m
}

// describePartition does that for a partition.
func describePartition(p survey.Partition, systems []contents.System) chunk.Partition {
	q := chunk.Partition{Number: p.Number, Start: p.Start, Size: p.Size, Type: p.Type, UUID: p.UUID, Name: p.Name}
	i := slices.IndexFunc(systems, func(s contents.System) bool { _, off, _ := s.Outer(); return off == p.Start })
	switch fs := p.FileSystem; {
	case i == 0:
		q.Root = true
	case i > 0:
		q.Mount = chunk.Path(systems[i].At)
		q.FS = &chunk.FileSystem{Type: "ext4", UUID: uuid.UUID(systems[i].FS.Info().UUID).String(), Label: chunk.Path(systems[i].FS.Info().Label), Made: true}
	case fs != nil:
		q.FS = &chunk.FileSystem{Type: fs.Type, UUID: fs.UUID, Label: chunk.Path(fs.Label)}
	}
	return q
}
