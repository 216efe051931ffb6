package chunk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"

	"purebundle/chunk/work"
)

// step is how much is read and hashed at once, in bytes: small enough to stay
// in the processor's cache between the two.
const step = 128 << 10

// Verify checks that every part is there and what the manifest says, that the
// file of digests agrees, and that no other file would be taken for a part. It
// reports all that is wrong, joined (errors.Join), parts in order; what is
// wrong with the content wraps ErrDamaged. When ctx is done it returns its error
// alone. workers 0 is one a processor; done is called after each part, good or
// bad, never twice at once.
func (b *Bundle) Verify(ctx context.Context, workers int, done func(part int)) error {
	t := work.Teller{Fn: done}
	var mu sync.Mutex
	bad := make(map[int]error)
	err := work.Each(ctx, crew(cmp.Or(workers, b.workers)), numbers(len(b.manifest.Parts)), func(ctx context.Context, i int) error {
		err := b.store.Check(ctx, b.manifest.Parts[i])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			mu.Lock()
			bad[i] = err
			mu.Unlock()
		}
		t.Tell(ctx, i)
		return nil
	})
	if err != nil {
		return err
	}
	all := make([]error, 0, len(bad)+2)
	for i := range b.manifest.Parts {
		all = append(all, bad[i])
	}
	return errors.Join(append(append(all, b.verifySums(ctx)), b.verifyNames(ctx)...)...)
}

// verifySums checks the file of digests: it must be exactly what the manifest
// makes it.
func (b *Bundle) verifySums(ctx context.Context) error {
	name := SumsName(b.manifest.Prefix)
	bad := func(err error) error {
		return &Error{Op: "verify", Path: b.store.Path(name), Err: &damage{err},
			Hint: "the manifest has the same digests: parts that it does not report are good"}
	}
	want := sumsText(b.manifest.Parts)
	have, err := b.store.Get(ctx, name, int64(len(want))+1)
	if errors.Is(err, fs.ErrNotExist) {
		return bad(cause("is missing"))
	}
	if err != nil {
		return err
	}
	if bytes.Equal(have, want) {
		return nil
	}
	return bad(fmt.Errorf("line %d is not what the manifest says", differ(have, want)))
}

// differ is the number, from 1, of the first line in which two texts differ.
func differ(a, b []byte) int {
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	return 1 + bytes.Count(b[:at], []byte{'\n'})
}

// verifyNames reports files that "cat P.part.*" would read but the manifest
// does not list.
func (b *Bundle) verifyNames(ctx context.Context) (all []error) {
	names, err := b.store.Names(ctx, b.manifest.Prefix)
	if err != nil {
		return []error{err}
	}
	m := b.manifest
	for _, name := range names {
		if !belongs(m.Prefix, name) || name == SumsName(m.Prefix) || name == ManifestName(m.Prefix) {
			continue
		}
		// Names of parts sort as the parts do.
		_, listed := slices.BinarySearchFunc(m.Parts, name, func(p Part, name string) int {
			return bytes.Compare([]byte(p.Name), []byte(name))
		})
		if !listed {
			all = append(all, &Error{Op: "verify", Path: b.store.Path(name),
				Err:  &damage{cause("is named like a part, but the manifest does not list it")},
				Hint: "move it away: cat " + m.Prefix + partInfix + "* would read it"})
		}
	}
	return all
}
