package look

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/ebs"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/contents"
	"purebundle/cmd/purebundle/progress"
	"purebundle/cmd/purebundle/words"
)

// openSnapshot opens the snapshot ebs:snap-….
func openSnapshot(ctx context.Context, a *cli.App, place string, c *cli.S3) (*ebs.Snapshot, error) {
	id, err := ebs.ParsePlace(place)
	if err == nil && id == "" {
		err = cli.WithHint(errors.New("ebs: alone is no snapshot"), "write it as in ebs:snap-0123456789abcdef0")
	}
	if err != nil {
		return nil, &cli.UsageError{Err: err}
	}
	client, err := c.EBS(ctx, a)
	if err != nil {
		return nil, err
	}
	return client.Open(ctx, id)
}

// openInsideSnapshot opens the file systems of a snapshot as one tree.
func openInsideSnapshot(ctx context.Context, a *cli.App, place string, c *cli.S3) (*inside, error) {
	s, err := openSnapshot(ctx, a, place, c)
	if err != nil {
		return nil, err
	}
	found, err := contents.Of(s, s.Size())
	if err == nil {
		in := &inside{close: s.Close}
		if in.Tree, err = found.Tree(); err == nil {
			return in, nil
		}
	}
	s.Close()
	return nil, fmt.Errorf("%s: %w", place, err)
}

// verifySnapshot checks the SHA-256 of each block of a snapshot, and with deep what its
// file systems hold.
func verifySnapshot(ctx context.Context, a *cli.App, place string, cfg readConfig, deep, json bool) error {
	began := time.Now()
	s, err := openSnapshot(ctx, a, place, &cfg.s3)
	if err != nil {
		return err
	}
	defer s.Close()
	blocks := len(s.Blocks())
	result := Verified{Source: full(place), Prefix: s.ID(), ImageSize: s.Size(), Parts: s.Parts(), Deep: deep, Problems: []string{}}
	for i := range s.Parts() {
		if s.Empty(i) {
			result.ZeroParts++
		}
	}
	show := partsShown{a.Show(cfg.progress)}
	defer show.Close()
	show.AllBytes.Store(int64(blocks) * ebs.BlockSize)
	show.Begin(progress.Reading)
	wrong, err := s.Check(ctx, func(int) { show.Bytes.Add(ebs.BlockSize) })
	show.Close()
	if err == nil {
		err = errors.Join(wrong...)
	}
	switch {
	case err != nil && ctx.Err() == nil:
		result.Problems = problems(err)
		err = Damaged(a, place, err)
	case err == nil && deep:
		if err = deepInSnapshot(ctx, a, place, s, &result.Problems); err != nil && len(result.Problems) == 0 {
			result.Problems = problems(err)
		}
	}
	switch {
	case json && ctx.Err() == nil:
		result.OK, result.Seconds = err == nil, cli.Seconds(began)
		return cmp.Or(err, cli.PrintJSON(a.Stdout, result))
	case err != nil || a.Quiet:
		return err
	}
	what := "digests"
	if deep {
		what = "digests and file system"
	}
	_, err = fmt.Fprintf(a.Stdout, "ok: %s of %s, %s: %s\n", words.Plural(int64(blocks), "block"), words.Printable(place), words.Size(s.Size()), what)
	return err
}

// deepInSnapshot checks the table and the file systems of a snapshot.
func deepInSnapshot(ctx context.Context, a *cli.App, place string, s *ebs.Snapshot, found *[]string) error {
	c, err := contents.Of(s, s.Size())
	if err != nil {
		return fmt.Errorf("verify %s: %w", place, err)
	}
	var systems []ext4
	for _, fs := range c.Systems {
		systems = append(systems, ext4{fs.SectionReader, fs.At})
	}
	return checkDeep(ctx, a, place, systems, found, func(say func(string)) error {
		if c.Table != nil && !a.Quiet {
			for _, note := range c.Table.Notes { // a volume is larger than its image, so that the backup of a GPT is not at its end
				a.ErrorLine(fmt.Sprintf("verify %s: note: partition table: %s", place, note))
			}
		}
		return nil
	})
}

// joinSnapshot writes the disk of a snapshot to a file or a block device.
func joinSnapshot(ctx context.Context, a *cli.App, place, image string, cfg readConfig, opt chunk.JoinOptions) error {
	s, err := openSnapshot(ctx, a, place, &cfg.s3)
	if err != nil {
		return err
	}
	defer s.Close()
	show := partsShown{a.Show(cfg.progress)}
	defer show.Close()
	show.AllBytes.Store(s.Size())
	show.AllParts.Store(int64(s.Parts()))
	show.Begin(progress.Reading)
	opt.Workers, opt.Done = snapshotWorkers, show.made
	to := a.Stdout
	if image == stdout {
		err, image, to = chunk.Stream(ctx, s, a.Stdout, opt), "standard output", a.Stderr
	} else {
		err = chunk.Join(ctx, s, image, opt)
	}
	show.Close()
	if err != nil || a.Quiet {
		return err
	}
	return cli.PrintRows(to, [][2]string{{"joined", fmt.Sprintf("%s into %s, %s", words.Printable(place), words.Printable(image), words.Size(s.Size()))}})
}

// snapshotWorkers is how many parts of a snapshot are fetched at once.
const snapshotWorkers = 3
