package s3

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"purebundle/chunk"
)

// Room returns nil: S3 has room. It notes how many bytes of parts are zero, at most.
func (st *stage) Room(files int, need int64) error {
	st.zeroBytes = max(0, int64(files-2)*chunk.Size-need) // two are the digests and the manifest
	return nil
}

// Keep says whether S3 has an item under its name, with its digest; if a bundle is being
// replaced, under its temporary name as well.
func (st *stage) Keep(ctx context.Context, it chunk.Item) (bool, error) {
	name := it.Name
	switch {
	case !it.Sure, st.goesOn() && !st.there[name]:
		return false, nil
	case st.goesOn() || st.older[name] == it.Sum:
	case st.replaces && st.cut[st.at(it)]:
		name = st.at(it)
	default:
		return false, nil
	}
	ctx, done, err := st.enter(ctx, it)
	if err != nil {
		return false, err
	}
	defer done()
	o, err := st.s.Head(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case o.SHA256 != "" && o.SHA256 != it.Sum:
		return false, nil
	case o.SHA256 == "":
		if same, err := st.like(ctx, o, it); err != nil || !same {
			return false, err
		}
	}
	st.note(it, object{name: name, etag: o.ETag, size: o.Size, kept: true})
	return true, nil
}

// like returns true if an object of which S3 has no SHA-256 has the MD5 of an item.
func (st *stage) like(ctx context.Context, o Object, it chunk.Item) (bool, error) {
	switch {
	case o.MD5 == "":
		st.s.server.noLikeness(st.s.loc.Path(o.Name))
		return false, nil
	case o.Size != chunk.Size || it.MD5 == nil:
		return false, nil
	case it.Sum == chunk.ZeroSum:
		return o.MD5 == zeroMD5, nil
	}
	sum, err := it.MD5(ctx)
	return sum == o.MD5, err
}

// Put makes an item with the content p.
func (st *stage) Put(ctx context.Context, it chunk.Item, p []byte) (int64, error) {
	if it.Sum == "" {
		it.Sum = digest(p)
	}
	return st.store(ctx, it, func(ctx context.Context, at string) (string, int64, error) {
		st.zero.lose(at)
		return st.put(ctx, at, p, int64(len(p)), it.Sum)
	}, int64(len(p)))
}

// Zero makes an item of chunk.Size zero bytes. The first is sent, the others are
// copied within S3.
func (st *stage) Zero(ctx context.Context, it chunk.Item, size int64) (int64, error) {
	if size != chunk.Size {
		return st.Put(ctx, it, make([]byte, size))
	}
	it.Sum = chunk.ZeroSum
	return st.store(ctx, it, func(ctx context.Context, at string) (string, int64, error) {
		if st.temporary(it) {
			return st.zero.only(ctx, st, at)
		}
		return st.zero.make(ctx, st, at)
	}, size)
}

// temporary says whether an item gets a temporary name first.
func (st *stage) temporary(it chunk.Item) bool { return st.replaces || !it.Sure }

// at returns the name of the object that is to have an item's content.
func (st *stage) at(it chunk.Item) string {
	switch {
	case !st.temporary(it):
		return it.Name
	case it.Sum == chunk.ZeroSum:
		return tempName(zeroName(st.set.Prefix)) // one for all, copied by Publish
	case it.Sure:
		return tempName(it.Name)
	}
	return tempName(it.Key)
}

// store makes an item with put, which is given the name of the object.
func (st *stage) store(ctx context.Context, it chunk.Item, put func(ctx context.Context, at string) (etag string, sent int64, err error), size int64) (int64, error) {
	ctx, done, err := st.enter(ctx, it)
	if err != nil {
		return 0, err
	}
	defer done()
	if st.retired != nil {
		if err := st.retired(); err != nil {
			return 0, err
		}
	}
	at := st.at(it)
	etag, sent, err := put(ctx, at)
	if err != nil {
		return 0, err
	}
	st.note(it, object{name: at, etag: etag, size: size})
	return sent, nil
}

// enter begins an item, unless the run is over. The ctx that it returns ends with
// the run; done must be called.
func (st *stage) enter(ctx context.Context, it chunk.Item) (_ context.Context, done func(), err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed {
		return nil, nil, st.over()
	}
	delete(st.made, it.Key)
	st.busy.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(st.life, func() { cancel(context.Cause(st.life)) })
	return ctx, func() { stop(); cancel(nil); st.busy.Done() }, nil
}

// over returns the error of a stage that was closed.
func (st *stage) over() error {
	return &chunk.Error{Op: "write", Path: st.s.loc.Path(st.set.Prefix), Err: os.ErrClosed}
}

// note notes where an item is.
func (st *stage) note(it chunk.Item, o object) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.made[it.Key] = o
}

// begin notes that there may be an object soon. undo takes that back: nothing was
// put.
func (st *stage) begin(name string, m mark) (undo func()) {
	st.mu.Lock()
	defer st.mu.Unlock()
	was, begun := st.begun[name]
	if begun && m.etag == "" {
		m.sum = "" // it may be there with this content or that
	}
	st.begun[name] = m
	return func() {
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.begun[name] = was; !begun {
			delete(st.begun, name)
		}
	}
}

// put and copy are those of the Store; what they make is removed by Abort.

func (st *stage) put(ctx context.Context, name string, p []byte, size int64, sum string) (etag string, sent int64, err error) {
	cond := st.condition(name)
	undo := st.begin(name, mark{size: size, sum: sum})
	etag, unsure, err := st.s.put(ctx, name, p, size, sum, cond)
	switch {
	case err == nil:
		st.begin(name, mark{etag, size, sum})
	case errors.Is(err, chunk.ErrBusy):
		undo()
	}
	st.doubt(unsure)
	return etag, size, err
}

func (st *stage) copy(ctx context.Context, from, was, to string, size int64) (string, error) {
	return st.copyFrom(ctx, st.s, Object{Name: from, ETag: was, Size: size}, to)
}

func (st *stage) copyFrom(ctx context.Context, from *Store, o Object, to string) (string, error) {
	st.begin(to, mark{size: o.Size})
	etag, err := st.s.copy(ctx, from, o.Name, o.ETag, to)
	if err == nil {
		st.begin(to, mark{etag: etag, size: o.Size})
	}
	st.doubt(err != nil)
	return etag, err
}

func (st *stage) doubt(unsure bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.unsure = st.unsure || unsure
}
