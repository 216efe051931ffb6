package s3

import (
	"context"
	"errors"
	"io/fs"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"

	"purebundle/chunk"
)

// Take makes an item of a part of another bundle within S3: nothing of it comes here.
// S3 must have it with the SHA-256 of f, and copies that very object or nothing
// (x-amz-copy-source-if-match); its bucket may be another, in another region. A part that is
// missing, or another, or of which S3 knows no SHA-256, is not taken; nor is any after
// a copy that the server refused.
func (st *stage) Take(ctx context.Context, it chunk.Item, from chunk.Place, f chunk.File) (bool, error) {
	src, ok := from.(*reader)
	if !ok || st.refusesTakes() || !st.s.reaches(src.store) {
		return false, nil
	}
	o, err := src.store.Head(ctx, f.Name)
	switch {
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	case err != nil || o.Size != f.Size:
		return false, nil // whatever is wrong with it: it is not to be had
	case o.SHA256 == "":
		st.s.server.noLikeness(src.store.loc.Path(f.Name))
		return false, nil
	case o.SHA256 != f.Digest.Hex:
		return false, nil
	}
	_, err = st.store(ctx, it, func(ctx context.Context, at string) (string, int64, error) {
		st.zero.lose(at)
		etag, err := st.copyFrom(ctx, src.store, o, at)
		return etag, 0, err
	}, f.Size)
	switch {
	case err == nil:
		return true, nil
	case ctx.Err() != nil || st.isClosed():
		return false, err
	case errors.Is(err, fs.ErrNotExist) || httpStatus(err) == http.StatusPreconditionFailed:
		return false, nil // it went, or became another, just now
	}
	st.refuseTakes(err)
	return false, nil
}

// reaches says whether the server of s can copy from another Store: it is the same.
func (s *Store) reaches(other *Store) bool {
	return aws.ToString(s.client.Options().BaseEndpoint) == aws.ToString(other.client.Options().BaseEndpoint)
}

func (st *stage) isClosed() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.closed
}

func (st *stage) refusesTakes() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.takeless
}

// refuseTakes notes that the server does not copy from there, as err says.
func (st *stage) refuseTakes(err error) {
	st.mu.Lock()
	st.takeless = true
	st.mu.Unlock()
	st.s.server.noCopies(err, "parts that are those of the base are made and sent")
}
