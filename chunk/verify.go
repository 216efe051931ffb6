package chunk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
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
	t := teller{fn: done}
	var mu sync.Mutex
	bad := make(map[int]error)
	err := each(ctx, numbers(len(b.manifest.Parts)), workers, func(ctx context.Context, i int) error {
		err := b.verifyPart(ctx, i)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			mu.Lock()
			bad[i] = err
			mu.Unlock()
		}
		b.checked[i].once.Do(func() { b.checked[i].err = err })
		t.tell(ctx, i)
		return nil
	})
	if err != nil {
		return err
	}
	all := make([]error, 0, len(bad)+2)
	for i := range b.manifest.Parts {
		all = append(all, bad[i])
	}
	return errors.Join(append(append(all, b.verifySums()), b.verifyNames()...)...)
}

func (b *Bundle) verifyPart(ctx context.Context, i int) error {
	return b.load(ctx, i, make([]byte, step))
}

// load opens part i and checks it, through buf as check does.
func (b *Bundle) load(ctx context.Context, i int, buf []byte) error {
	f, err := b.open(i)
	if err != nil {
		return err
	}
	defer f.Close()
	return b.check(ctx, i, f, buf)
}

// check reads part i from f and compares its digest. It reads through buf, a
// multiple of step long: into the whole of it over and over, so that a buf of
// Size bytes has the part at the end.
func (b *Bundle) check(ctx context.Context, i int, f *os.File, buf []byte) error {
	hole, err := allHole(f)
	if err != nil {
		return fail("read", f.Name(), err)
	}
	if hole {
		clear(buf)
		return b.checkSum(i, zeroSum)
	}
	_ = unix.Fadvise(int(f.Fd()), 0, Size, unix.FADV_WILLNEED)
	h := sha256.New()
	for off := 0; off < Size; off += step {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		at := off % len(buf)
		if err := readFull(f, buf[at:at+step], int64(off)); err != nil {
			return fail("read", f.Name(), err)
		}
		h.Write(buf[at : at+step])
	}
	return b.checkSum(i, hexSum([sha256.Size]byte(h.Sum(nil))))
}

// verifySums checks the file of digests: it must be exactly what the manifest
// makes it.
func (b *Bundle) verifySums() error {
	name := SumsName(b.manifest.Prefix)
	path := b.dir.join(name)
	bad := func(err error) error {
		return &Error{Op: "verify", Path: path, Err: &damage{err},
			Hint: "the manifest has the same digests: parts that it does not report are good"}
	}
	f, err := b.dir.open(name, unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return bad(cause("is missing"))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return fail("read", path, orElse(err, cause("is no regular file")))
	}
	want := sumsText(b.manifest.Parts)
	have, err := io.ReadAll(io.LimitReader(f, int64(len(want))+1))
	if err != nil {
		return fail("read", path, err)
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
func (b *Bundle) verifyNames() (all []error) {
	names, err := b.dir.names()
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
			all = append(all, &Error{Op: "verify", Path: b.dir.join(name),
				Err:  &damage{cause("is named like a part, but the manifest does not list it")},
				Hint: "move it away: cat " + m.Prefix + partInfix + "* would read it"})
		}
	}
	return all
}
