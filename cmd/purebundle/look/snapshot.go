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

// openInsideSnapshot opens the file systems of a snapshot as one tree.
func openInsideSnapshot(ctx context.Context, a *cli.App, place string, c *cli.S3) (*inside, error) {
	s, err := c.OpenSnapshot(ctx, a, place)
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

// verifySnapshot checks the SHA-256 of each block of a snapshot, those of the parts if it
// has a manifest, and with deep what its file systems hold.
func verifySnapshot(ctx context.Context, a *cli.App, place string, cfg readConfig, deep, json bool) error {
	began := time.Now()
	s, err := cfg.s3.OpenSnapshot(ctx, a, place)
	if err != nil {
		return err
	}
	defer s.Close()
	result := Verified{Source: full(place), Prefix: s.ID(), ImageSize: s.Size(), Parts: s.Parts(), Deep: deep, Problems: []string{}, began: began}
	var about string
	b, err := s.Bundle(ctx)
	switch {
	case err == nil:
		defer b.Close()
		_, zero := b.Manifest().Split()
		result.ImageSize, result.Parts, result.ZeroParts = b.Size(), len(b.Manifest().Parts), len(zero)
		show := showParts(a, cfg.progress, b, progress.Reading)
		defer show.Close()
		err = b.Verify(ctx, 0, show.made)
		show.Close()
		about = fmt.Sprintf("%s of %s, %s: manifest, digests", words.Plural(int64(result.Parts), "part"), words.Printable(place), words.Size(b.Size()))
	case errors.Is(err, chunk.ErrNoBundle):
		err = checkBlocks(ctx, a, s, &result, cfg.progress)
		about = fmt.Sprintf("%s of %s, %s: digests", words.Plural(int64(len(s.Blocks())), "block"), words.Printable(place), words.Size(s.Size()))
	}
	return result.judge(ctx, a, place, json, err, func() error { return deepInSnapshot(ctx, a, place, s, &result.Problems) }, about)
}

// checkBlocks checks the SHA-256 of each block of a snapshot without a manifest.
func checkBlocks(ctx context.Context, a *cli.App, s *ebs.Snapshot, result *Verified, mode progress.Mode) error {
	for i := range s.Parts() {
		if s.Empty(i) {
			result.ZeroParts++
		}
	}
	show := partsShown{a.Show(mode)}
	defer show.Close()
	show.AllBytes.Store(int64(len(s.Blocks())) * ebs.BlockSize)
	show.Begin(progress.Reading)
	wrong, err := s.Check(ctx, func(int) { show.Bytes.Add(ebs.BlockSize) })
	return cmp.Or(err, errors.Join(wrong...))
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

// joinSnapshot writes the disk of a snapshot that has no manifest to a file or a block
// device.
func joinSnapshot(ctx context.Context, a *cli.App, place, image string, cfg readConfig, opt chunk.JoinOptions) error {
	s, err := cfg.s3.OpenSnapshot(ctx, a, place)
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
