package s3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// mark is what a run knows of an object that it has made or may have made.
type mark struct {
	etag string // "" while nothing says that the object has come about
	size int64  // bytes
	sum  string // SHA-256; "": any
}

// condition is what must hold of an object for it to be put; zero: nothing.
// Amazon, versitygw, rclone, MinIO and R2 heed it. A server that refuses it is
// asked without, and one that ignores it is found out by what is listed at the end.
type condition struct {
	absent bool   // there is no such object
	etag   string // it has this ETag
	// same is true if an object with the content that is to be put is as good, whoever
	// has put it.
	same bool
	run  string // of the object that is put: which run it is of, see runKey
}

// runKey is the key of user-defined metadata (x-amz-meta-*) by which a run knows its
// objects: two runs may put the same content, and an answer may be lost.
const runKey = "purebundle-run"

func (c condition) any() bool { return c.absent || c.etag != "" }

// condition returns what must hold of an object before this run puts it: that no
// other run has put one of that name. Temporary names may be left by runs that were
// killed, and what is replaced is another's.
func (st *stage) condition(name string) condition {
	if st.replaces || strings.HasSuffix(name, tempSuffix) {
		return condition{run: st.run}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	m, begun := st.begun[name]
	switch {
	case !begun:
		return condition{absent: !st.there[name], same: st.goesOn(), run: st.run}
	case m.etag != "":
		return condition{etag: m.etag, run: st.run} // it is made again
	}
	return condition{run: st.run}
}

// refused returns true if a server does not know conditions.
func (c condition) refused(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && c.any() && (httpStatus(err) == http.StatusNotImplemented || api.ErrorCode() == "NotImplemented")
}

// failed returns true if a condition does not hold.
func (c condition) failed(err error) bool {
	code := httpStatus(err)
	return c.any() && (errors.Is(err, errThere) || code == http.StatusPreconditionFailed || c.etag != "" && code == http.StatusNotFound)
}

// errThere says that an object is there, before it is put again.
const errThere plain = "is there already"

// looking looks for the object before each other try to put it under a name that must be free: the
// first may have come about, and some servers cut the connection on what they refuse
// before they have read it.
func (s *Store) looking(name string, c condition) func(*s3.Options) {
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		tries := 0
		return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("LookBefore",
			func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, meta middleware.Metadata, err error) {
				if tries++; tries > 1 && c.absent {
					if _, err := s.Head(ctx, name); err == nil {
						return out, meta, errThere
					}
				}
				return next.HandleFinalize(ctx, in)
			}), "Retry", middleware.After)
	})
}

func httpStatus(err error) int {
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil && r.Response.Response != nil {
		return r.Response.StatusCode
	}
	return 0
}

// holds returns the ETag of an object if its content is what was to be put and, if
// that matters, it was put by this run.
func (s *Store) holds(ctx context.Context, name string, b *awsapi.Body, sum string, c condition) (etag string, ok bool) {
	o, err := s.Head(ctx, name)
	if err != nil || o.Size != b.Size || !c.same && o.Run != c.run {
		return "", false
	}
	if o.SHA256 != "" {
		return o.ETag, o.SHA256 == sum
	}
	return o.ETag, o.ETag == md5Of(b)
}

// md5Of returns the MD5 of the body in hexadecimal, which many servers have as ETag.
func md5Of(b *awsapi.Body) string {
	h := md5.New()
	if b.P != nil {
		h.Write(b.P)
	} else {
		zero := make([]byte, min(b.Size, 1<<20))
		for left := b.Size; left > 0; left -= int64(len(zero)) {
			zero = zero[:min(left, int64(len(zero)))]
			h.Write(zero)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ours lists those of the objects that this run has put. If a manifest is there that
// it has not put, the names without a mark of being temporary are another run's.
func (st *stage) ours(ctx context.Context, objects []Object) ([]Object, error) {
	var found []Object
	for _, o := range objects {
		mine, err := st.isOurs(ctx, o)
		if err != nil {
			return nil, err
		}
		if mine {
			found = append(found, o)
		} else if o.Name == st.set.Last && !st.replaces {
			return nil, nil
		}
	}
	return found, nil
}

// isOurs returns true if this run has put an object, as far as its ETag, its
// metadata or its digest say.
func (st *stage) isOurs(ctx context.Context, o Object) (bool, error) {
	st.mu.Lock()
	m, begun := st.begun[o.Name]
	older := st.sends && st.gone && st.there[o.Name] && o.Name != st.set.Last
	st.mu.Unlock()
	switch {
	case !begun:
		return older, nil // nobody else needs it any more
	case m.etag != "" && o.ETag != "":
		return m.etag == o.ETag, nil
	case m.sum == "" || m.size != o.Size:
		return m.size == o.Size, nil
	}
	o, err := st.s.Head(ctx, o.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	mine := o.Run == st.run || o.Run == "" // a server may forget it when it copies
	return mine && (o.SHA256 == "" || o.SHA256 == m.sum), err
}

// disturbed returns the error of a run that meets what another one has put.
func (s *Store) disturbed(op, name string) error {
	return &chunk.Error{Op: op, Path: s.loc.Path(name), Err: chunk.ErrBusy,
		Hint: "it is not what this run left there: let one run write a bundle of that name at a time"}
}
