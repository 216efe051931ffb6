package ebstest

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// writable returns a snapshot that blocks may be put in. s.mu is held.
func (s *Server) writable(id string) (*snapshot, *Fault) {
	sn := s.find(id)
	switch {
	case sn == nil || sn.unknown > 0:
		if sn != nil {
			sn.unknown--
		}
		return nil, &Fault{http.StatusNotFound, "ResourceNotFoundException", "The snapshot '" + id + "' does not exist", "SNAPSHOT_NOT_FOUND"}
	case sn.state == failed && sn.why != "":
		return nil, validation("WRITE_REQUEST_TIMEOUT", "%s", sn.why)
	case sn.sealed || sn.state != pending:
		return nil, validation("INVALID_SNAPSHOT_ID", "The snapshot %s is not pending", id)
	}
	return sn, nil
}

// digest returns the SHA-256 that a request promises.
func digest(r *http.Request) (sum [sha256.Size]byte, fault *Fault) {
	if a := r.Header.Get("x-amz-Checksum-Algorithm"); a != "SHA256" {
		return sum, validation("INVALID_PARAMETER_VALUE", "checksum algorithm %q", a)
	}
	raw, err := base64.StdEncoding.DecodeString(r.Header.Get("x-amz-Checksum"))
	if err != nil || len(raw) != len(sum) {
		return sum, validation("INVALID_PARAMETER_VALUE", "checksum %q", r.Header.Get("x-amz-Checksum"))
	}
	return [sha256.Size]byte(raw), nil
}

// Hold has each block take d from now on.
func (s *Server) Hold(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold = d
}

// HoldFrom has blocks wait, from the nth request for one on that Count counts, until their
// requests end; 0: none.
func (s *Server) HoldFrom(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holdFrom = n
}

// put does PutSnapshotBlock.
func (s *Server) put(w *reply, r *http.Request, id, index string, body []byte) *Fault {
	s.mu.Lock()
	s.inFlight[r.URL.Path]++
	if s.inFlight[r.URL.Path] > 1 {
		s.twice++
	}
	all := 0
	for _, n := range s.inFlight {
		all += n
	}
	s.most = max(s.most, all)
	hold := s.hold
	if s.holdFrom > 0 && s.counts["PutSnapshotBlock"] >= s.holdFrom {
		hold = time.Hour
	}
	s.mu.Unlock()
	if hold > 0 {
		select {
		case <-r.Context().Done():
		case <-time.After(hold):
		}
	}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.inFlight[r.URL.Path]--; s.inFlight[r.URL.Path] == 0 {
			delete(s.inFlight, r.URL.Path)
		}
	}()
	want, fault := digest(r)
	if fault != nil {
		return fault
	}
	sum := sha256.Sum256(body)
	i, err := strconv.ParseInt(index, 10, 32)
	switch {
	case r.Header.Get("x-amz-Data-Length") != strconv.Itoa(BlockSize) || len(body) != BlockSize:
		return validation("INVALID_BLOCK", "data length %q, body of %d bytes", r.Header.Get("x-amz-Data-Length"), len(body))
	case sum != want:
		return validation("INVALID_BLOCK", "the checksum of the block does not match")
	case err != nil || i < 0:
		return validation("INVALID_PARAMETER_VALUE", "block index %q", index)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sn, fault := s.writable(id)
	if fault != nil {
		return fault
	}
	if int32(i) >= sn.blocks() {
		return validation("INVALID_PARAMETER_VALUE", "block index %d of %d", i, sn.blocks())
	}
	if !s.Digests {
		if _, err := sn.file.WriteAt(body, i*BlockSize); err != nil {
			return &Fault{http.StatusInternalServerError, "InternalServerException", err.Error(), ""}
		}
	}
	if have, put := sn.sums[int32(i)]; put && have == sum {
		s.again++
	}
	sn.sums[int32(i)], sn.last = sum, time.Now()
	w.status = http.StatusCreated
	w.header.Set("x-amz-Checksum", base64.StdEncoding.EncodeToString(sum[:]))
	w.header.Set("x-amz-Checksum-Algorithm", "SHA256")
	return nil
}

// complete does CompleteSnapshot.
func (s *Server) complete(w *reply, r *http.Request, id string) *Fault {
	count, err := strconv.Atoi(r.Header.Get("x-amz-ChangedBlocksCount"))
	if err != nil {
		return validation("INVALID_PARAMETER_VALUE", "changed blocks %q", r.Header.Get("x-amz-ChangedBlocksCount"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sn, fault := s.writable(id)
	if fault != nil {
		return fault
	}
	if count != len(sn.sums) {
		return validation("INVALID_PARAMETER_VALUE", "%d changed blocks; %d were written", count, len(sn.sums))
	}
	if r.Header.Get("x-amz-Checksum") != "" {
		want, fault := digest(r)
		if fault != nil {
			return fault
		}
		if m := r.Header.Get("x-amz-Checksum-Aggregation-Method"); m != "LINEAR" {
			return validation("INVALID_PARAMETER_VALUE", "aggregation method %q", m)
		}
		if sn.aggregate() != want {
			return validation("INVALID_PARAMETER_VALUE", "the aggregated checksum does not match")
		}
	}
	sn.sealed = true
	w.status = http.StatusAccepted
	return w.json(map[string]any{"Status": pending})
}

// aggregate returns the digest of the digests of all blocks.
func (sn *snapshot) aggregate() (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, i := range slices.Sorted(maps.Keys(sn.sums)) {
		one := sn.sums[i]
		h.Write(one[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
