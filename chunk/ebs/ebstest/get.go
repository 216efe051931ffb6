package ebstest

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// readable returns a snapshot that blocks may be read of. s.mu is held.
func (s *Server) readable(id string) (*snapshot, *Fault) {
	sn := s.find(id)
	switch {
	case sn == nil:
		return nil, &Fault{http.StatusNotFound, "ResourceNotFoundException", "The snapshot '" + id + "' does not exist", "SNAPSHOT_NOT_FOUND"}
	case sn.state != completed || s.Digests:
		return nil, validation("INVALID_SNAPSHOT_ID", "The snapshot %s is not completed", id)
	}
	return sn, nil
}

// list does ListSnapshotBlocks.
func (s *Server) list(w *reply, r *http.Request, id string) *Fault {
	q := r.URL.Query()
	most := 100
	if text := q.Get("maxResults"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 100 || n > 10000 {
			return validation("INVALID_PARAMETER_VALUE", "maxResults %q", text)
		}
		most = n
	}
	if s.Page > 0 {
		most = min(most, s.Page)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sn, fault := s.readable(id)
	if fault != nil {
		return fault
	}
	from := int32(0)
	if text := q.Get("startingBlockIndex"); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return validation("INVALID_PARAMETER_VALUE", "startingBlockIndex %q", text)
		}
		from = int32(n)
	}
	if text := q.Get("pageToken"); text != "" {
		n, ok := s.open(text, "page", id)
		if !ok {
			return validation("INVALID_PAGE_TOKEN", "the page token is invalid or has expired")
		}
		from = n
	}
	type block struct {
		BlockIndex int32
		BlockToken string
	}
	list, next := []block{}, ""
	for _, i := range sn.all() {
		if i < from {
			continue
		}
		if len(list) == most {
			next = s.token("page", id, i)
			break
		}
		list = append(list, block{i, s.token("block", id, i)})
	}
	expiry := time.Now().Add(7 * 24 * time.Hour)
	if s.Life > 0 {
		expiry = time.Now().Add(s.Life)
	}
	out := map[string]any{"Blocks": list, "BlockSize": BlockSize, "VolumeSize": sn.gib, "ExpiryTime": float64(expiry.UnixMilli()) / 1000}
	if next != "" {
		out["NextToken"] = next
	}
	return w.json(out)
}

// token returns a token that open knows for a while.
func (s *Server) token(kind, id string, index int32) string {
	expires := int64(0)
	if s.Life > 0 {
		expires = time.Now().Add(s.Life).UnixNano()
	}
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s %s %s %d %d", s.secret, kind, id, index, expires))
}

func (s *Server) open(token, kind, id string) (index int32, ok bool) {
	raw, _ := base64.StdEncoding.DecodeString(token)
	var secret, k, i string
	var expires int64
	if n, _ := fmt.Sscan(string(raw), &secret, &k, &i, &index, &expires); n != 5 {
		return 0, false
	}
	return index, secret == s.secret && k == kind && i == id && (expires == 0 || time.Now().UnixNano() < expires)
}

// get does GetSnapshotBlock.
func (s *Server) get(w *reply, r *http.Request, id, index string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	sn, fault := s.readable(id)
	if fault != nil {
		return fault
	}
	i, ok := s.open(r.URL.Query().Get("blockToken"), "block", id)
	if !ok || strconv.Itoa(int(i)) != index {
		return validation("INVALID_BLOCK_TOKEN", "the block token is invalid or has expired")
	}
	b, there := sn.block(i)
	if !there {
		return validation("INVALID_BLOCK_TOKEN", "there is no block %d", i)
	}
	w.body = make([]byte, BlockSize)
	if _, err := b.file.ReadAt(w.body, int64(i)*BlockSize); err != nil && err != io.EOF {
		return &Fault{http.StatusInternalServerError, "InternalServerException", err.Error(), ""}
	}
	sum := b.sum
	w.header.Set("Content-Type", "application/octet-stream")
	w.header.Set("x-amz-Data-Length", strconv.Itoa(BlockSize))
	w.header.Set("x-amz-Checksum", base64.StdEncoding.EncodeToString(sum[:]))
	w.header.Set("x-amz-Checksum-Algorithm", "SHA256")
	return nil
}
