package ec2

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/work"
)

// CopyOptions of Bundle.Copy; the zero value is what most want.
type CopyOptions struct {
	Force   bool // replace a bundle of that name
	Workers int  // parts in flight; 0: one
	// Resume makes the parts at once under their names, and leaves them there if the
	// copy fails, so that another one goes on from there. Only to S3.
	Resume   bool
	First    int             // part to begin with: those before are there already (with Resume)
	NoText   bool            // do not copy the manifest (with Resume)
	Done     func(bytes int) // if not nil, called after each part, never twice at once
	Finished func()          // if not nil, called when all parts are copied
}

// copyGrace is how long a cancelled copy waits for each part: it may be at work on
// a file.
const copyGrace = time.Minute

// Copy copies b to another place: upload and download. Each part is checked when it
// is read; the manifest comes last, as it is. upTo is the first part that was not
// copied, from which another copy must go on.
func (b *Bundle) Copy(ctx context.Context, to chunk.Maker, opt CopyOptions) (upTo int, err error) {
	if err := b.manifest.checkNames(); err != nil {
		return opt.First, hinted("manifest", b.path, err, "get the manifest again from where the bundle was made")
	}
	set := b.set(opt)
	if opt.Resume {
		set.Resume = b.text
	}
	stage, err := to.Begin(ctx, set)
	if err != nil {
		return opt.First, err
	}
	upTo, err = b.copyParts(ctx, stage, opt)
	if err != nil || opt.NoText {
		return upTo, errors.Join(err, stage.Abort())
	}
	if opt.Finished != nil {
		opt.Finished()
	}
	items := make([]chunk.Item, 0, len(b.manifest.Parts)+1)
	for i := range b.manifest.Parts {
		items = append(items, b.item(i))
	}
	return upTo, stage.Publish(ctx, append(items, chunk.Item{Name: set.Last, Text: b.text}))
}

// set returns the files that b replaces: those that it has, and with Force, or if
// it is to be whole or nothing, any that its prefix may have.
func (b *Bundle) set(opt CopyOptions) chunk.Set {
	own := make(map[string]bool, len(b.manifest.Parts))
	for _, p := range b.manifest.Parts {
		own[p.Name] = true
	}
	s := set(b.prefix)
	s.Force = opt.Force
	all := s.Taken
	s.Taken = func(name string) (bool, error) {
		taken, err := all(name)
		if opt.Resume && !opt.Force && name != s.Last {
			taken = false
		}
		return taken || own[name], err
	}
	return s
}

func (b *Bundle) item(i int) chunk.Item {
	name := b.manifest.Parts[i].Name
	return chunk.Item{Key: name, Name: name, Sure: true}
}

// copyParts copies the parts from opt.First on.
func (b *Bundle) copyParts(ctx context.Context, stage chunk.Stage, opt CopyOptions) (upTo int, err error) {
	var bufs work.Buffers
	defer bufs.Drop()
	var mu sync.Mutex
	there := make([]bool, len(b.manifest.Parts))
	var list []int
	for i := range there {
		if there[i] = i < opt.First; !there[i] {
			list = append(list, i)
		}
	}
	crew := work.Crew{Workers: max(1, opt.Workers), Grace: copyGrace}
	err = work.Each(ctx, crew, list, func(ctx context.Context, i int) error {
		buf, err := bufs.Get(chunk.Size)
		if err != nil {
			return err
		}
		defer bufs.Put(buf)
		f := b.manifest.file(i)
		if err := b.place.Read(ctx, f, buf[:f.Size], 0); err != nil {
			return err
		}
		if _, err := stage.Put(ctx, b.item(i), buf[:f.Size]); err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		there[i] = true
		if opt.Done != nil && ctx.Err() == nil {
			opt.Done(int(f.Size))
		}
		return nil
	})
	mu.Lock()
	defer mu.Unlock()
	if upTo = slices.Index(there, false); upTo < 0 {
		upTo = len(there)
	}
	return upTo, err
}

// partNameError says that a manifest names a part as no tool has ever done.
type partNameError struct {
	part int
	name string
}

func (e partNameError) Error() string {
	return fmt.Sprintf("names part %d %q, which is not PREFIX.part.N", e.part, e.name)
}
