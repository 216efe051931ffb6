package s3

import (
	"context"
	"slices"
	"sync"

	"purebundle/chunk"
)

// zeros makes parts that are all zero: the first is sent, the others are copied
// from it within S3. Where that is refused they are sent too.
type zeros struct {
	mu     sync.Mutex
	source string // an object that is all zero; "" if there is none
	etag   string
	refuse bool // no copies
}

// maker is what zeros makes objects with.
type maker interface {
	put(ctx context.Context, name string, p []byte, sum string) (etag string, sent int64, err error)
	copy(ctx context.Context, from, was, to string) (etag string, err error) // of an object with the ETag was
}

// only makes the object at name if nothing all zero was made yet.
func (z *zeros) only(ctx context.Context, m maker, name string) (etag string, sent int64, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.source != "" {
		return z.etag, 0, nil
	}
	return z.first(ctx, m, name)
}

// make makes the object at name.
func (z *zeros) make(ctx context.Context, m maker, name string) (etag string, sent int64, err error) {
	z.mu.Lock()
	if z.source == "" || z.source == name {
		defer z.mu.Unlock()
		return z.first(ctx, m, name)
	}
	source, was, refuse := z.source, z.etag, z.refuse
	z.mu.Unlock()
	if !refuse {
		if etag, err = m.copy(ctx, source, was, name); err == nil || ctx.Err() != nil {
			return etag, 0, err
		}
		z.mu.Lock()
		z.refuse = true
		z.mu.Unlock()
	}
	return m.put(ctx, name, nil, chunk.ZeroSum)
}

// first sends zeros to the object at name, with z.mu held: others wait to copy it.
func (z *zeros) first(ctx context.Context, m maker, name string) (etag string, sent int64, err error) {
	z.source = ""
	if z.etag, sent, err = m.put(ctx, name, nil, chunk.ZeroSum); err != nil {
		return "", 0, err
	}
	z.source = name
	return z.etag, sent, nil
}

// lose is told that an object is to be overwritten.
func (z *zeros) lose(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.source == name {
		z.source = ""
	}
}

func sorted(names []string) []string {
	slices.Sort(names)
	return names
}
