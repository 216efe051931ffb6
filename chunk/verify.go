package chunk

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

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
	files := make([]File, len(b.manifest.Parts))
	for i, p := range b.manifest.Parts {
		files[i] = p.File()
	}
	all, err := CheckFiles(ctx, b.place, files, cmp.Or(workers, b.workers), done)
	if err != nil {
		return err
	}
	return errors.Join(append(append(all, b.verifySums(ctx)), b.verifyNames(ctx)...)...)
}

// CheckFiles checks files of a place and returns what is wrong with each, nil for
// nothing. err is that of ctx. workers and done are as for Verify.
func CheckFiles(ctx context.Context, place Place, files []File, workers int, done func(file int)) (wrong []error, err error) {
	t := work.Teller{Fn: done}
	wrong = make([]error, len(files))
	err = work.Each(ctx, crew(workers), numbers(len(files)), func(ctx context.Context, i int) error {
		bad := place.Check(ctx, files[i])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		wrong[i] = bad
		t.Tell(ctx, i)
		return nil
	})
	return wrong, err
}

// grace is how long a cancelled run waits for its workers.
const grace = 300 * time.Millisecond

// crew returns a crew of so many goroutines; 0 means one a processor.
func crew(workers int) work.Crew { return work.Crew{Workers: workers, Grace: grace} }

// numbers returns 0 … n-1.
func numbers(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

// verifySums checks the file of digests: it must be exactly what the manifest
// makes it.
func (b *Bundle) verifySums(ctx context.Context) error {
	name := SumsName(b.manifest.Prefix)
	bad := func(err error) error {
		return &Error{Op: "verify", Path: b.place.Path(name), Err: Damage(err),
			Hint: "the manifest has the same digests: parts that it does not report are good"}
	}
	want := sumsText(b.manifest.Parts)
	have, err := b.place.Get(ctx, name, int64(len(want))+1)
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

// differ returns the number, from 1, of the first line in which two texts differ.
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
	names, err := b.place.Names(ctx, b.manifest.Prefix)
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
			all = append(all, &Error{Op: "verify", Path: b.place.Path(name),
				Err:  Damage(cause("is named like a part, but the manifest does not list it")),
				Hint: "move it away: cat " + m.Prefix + partInfix + "* would read it"})
		}
	}
	return all
}
