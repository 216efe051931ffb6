package s3

import (
	"context"
	"fmt"
	"sync"

	"purebundle/chunk"
)

// zeroMD5 is the MD5 of chunk.Size zero bytes (head -c 10485760 /dev/zero | md5sum).
const zeroMD5 = "f1c9645dbc14efddc7d8a322685f26eb"

// zeros makes parts that are all zero: the first is sent, the others are copied
// from it within S3. If that is refused they are sent too.
type zeros struct {
	mu     sync.Mutex
	first  string // an object that is all zero; "" if there is none
	etag   string
	refuse bool // no copies
}

// only makes the object at name if nothing all zero was made yet.
func (z *zeros) only(ctx context.Context, st *stage, name string) (etag string, sent int64, err error) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.first != "" {
		return z.etag, 0, nil
	}
	return z.send(ctx, st, name)
}

// make makes the object at name.
func (z *zeros) make(ctx context.Context, st *stage, name string) (etag string, sent int64, err error) {
	z.mu.Lock()
	if z.first == "" || z.first == name {
		defer z.mu.Unlock()
		return z.send(ctx, st, name)
	}
	first, was, refuse := z.first, z.etag, z.refuse
	z.mu.Unlock()
	if !refuse {
		if etag, err = st.copy(ctx, first, was, name, chunk.Size); err == nil || ctx.Err() != nil {
			return etag, 0, err
		}
		st.s.server.noCopies(err, fmt.Sprintf("parts that are all zero are sent, %d MiB at most", st.zeroBytes>>20))
		z.mu.Lock()
		z.refuse = true
		z.mu.Unlock()
	}
	return st.put(ctx, name, nil, chunk.Size, chunk.ZeroSum)
}

// send sends zeros to the object at name, with z.mu held: others wait to copy it.
func (z *zeros) send(ctx context.Context, st *stage, name string) (etag string, sent int64, err error) {
	z.first = ""
	if z.etag, sent, err = st.put(ctx, name, nil, chunk.Size, chunk.ZeroSum); err != nil {
		return "", 0, err
	}
	z.first = name
	return z.etag, sent, nil
}

// lose forgets an object because it is to be overwritten.
func (z *zeros) lose(name string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if z.first == name {
		z.first = ""
	}
}
