package ebstest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"purebundle/chunk/ec2/ami/amitest"
)

// States of a snapshot.
const (
	pending   = "pending"
	completed = "completed"
	failed    = "error"
)

// snapshot is one snapshot.
type snapshot struct {
	id, token, request string
	gib                int64
	encrypted          bool
	description        string
	tags               []amitest.Tag
	state, why         string
	sealed             bool // CompleteSnapshot was called
	looks              int
	unknown            int // requests that will not know it
	began, last        time.Time
	key                string                      // ARN, if encrypted
	sums               map[int32][sha256.Size]byte // of the blocks that were put
	file               *os.File                    // has them
	inherited          map[int32]stored            // blocks of the parent
	shared             bool                        // the file has blocks of others, too
}

// stored is a block.
type stored struct {
	sum  [sha256.Size]byte
	file *os.File
}

// block returns a block that is there: that which was put, or the parent's.
func (sn *snapshot) block(i int32) (b stored, ok bool) {
	if sum, put := sn.sums[i]; put {
		return stored{sum, sn.file}, true
	}
	b, ok = sn.inherited[i]
	return b, ok
}

// all returns the numbers of all blocks that are there, ascending.
func (sn *snapshot) all() []int32 {
	numbers := maps.Clone(sn.sums)
	for i, b := range sn.inherited {
		numbers[i] = b.sum
	}
	return slices.Sorted(maps.Keys(numbers))
}

func (sn *snapshot) blocks() int32 { return int32(sn.gib << 30 / BlockSize) }

// find returns the snapshot with that id, or nil. s.mu is held.
func (s *Server) find(id string) *snapshot {
	for _, sn := range s.snapshots {
		if sn.id == id {
			s.expire(sn)
			return sn
		}
	}
	return nil
}

// expire gives up a snapshot that was idle for too long.
func (s *Server) expire(sn *snapshot) {
	if s.Idle > 0 && sn.state == pending && !sn.sealed && time.Since(sn.last) > s.Idle {
		sn.state, sn.why = failed, "The snapshot timed out: no block was written for too long"
	}
}

func validation(reason, format string, args ...any) *Fault {
	return &Fault{http.StatusBadRequest, "ValidationException", fmt.Sprintf(format, args...), reason}
}

// startRequest is what StartSnapshot is sent.
type startRequest struct {
	VolumeSize       int64
	ClientToken      string
	Description      string
	Encrypted        *bool
	KmsKeyArn        string
	ParentSnapshotId string
	Tags             []amitest.Tag
	Timeout          *int32
}

// check refuses what the API reference does not allow; encrypt is true if the account
// encrypts by default.
func (in *startRequest) check(encrypt bool) *Fault {
	switch {
	case in.VolumeSize < 1 || in.VolumeSize > 65536:
		return validation("INVALID_VOLUME_SIZE", "Invalid volume size: %d", in.VolumeSize)
	case len(in.ClientToken) < 1 || len(in.ClientToken) > 64:
		return validation("INVALID_PARAMETER_VALUE", "a client token has 1 to 64 characters")
	case len(in.Description) > 255:
		return validation("INVALID_PARAMETER_VALUE", "description too long")
	case in.Timeout != nil && (*in.Timeout < 10 || *in.Timeout > 4320):
		return validation("INVALID_PARAMETER_VALUE", "timeout of %d minutes", *in.Timeout)
	case in.KmsKeyArn != "" && !strings.HasPrefix(in.KmsKeyArn, "arn:"):
		return validation("INVALID_PARAMETER_VALUE", "KmsKeyArn %q is no ARN", in.KmsKeyArn)
	case in.ParentSnapshotId != "" && (in.Encrypted != nil || in.KmsKeyArn != ""):
		return validation("INVALID_PARAMETER_VALUE", "a parent, and encryption")
	case in.KmsKeyArn != "" && (in.Encrypted == nil || !*in.Encrypted) && !encrypt:
		return validation("INVALID_PARAMETER_VALUE", "a key, but no encryption")
	case len(in.Tags) > 50:
		return validation("INVALID_TAG", "%d tags", len(in.Tags))
	}
	for _, t := range in.Tags {
		if t.Key == "" || len([]rune(t.Key)) > 128 || len([]rune(t.Value)) > 256 || strings.HasPrefix(t.Key, "aws:") {
			return validation("INVALID_TAG", "tag %q", t.Key)
		}
	}
	return nil
}

// start does StartSnapshot.
func (s *Server) start(w *reply, body []byte) *Fault {
	var in startRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return validation("INVALID_PARAMETER_VALUE", "%v", err)
	}
	if fault := in.check(s.Encrypt); fault != nil {
		return fault
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sn := range s.snapshots {
		if sn.token == in.ClientToken {
			if sn.request != string(body) {
				return &Fault{http.StatusConflict, "ConflictException", "the client token was used with other parameters", ""}
			}
			s.expire(sn)
			return w.snapshot(sn)
		}
	}
	open := 0
	for _, sn := range s.snapshots {
		if sn.state == pending {
			open++
		}
	}
	if most := s.Pending; open >= 100 || most > 0 && open >= most {
		return &Fault{http.StatusPaymentRequired, "ServiceQuotaExceededException", "You have reached the limit of pending snapshots", "DEPENDENCY_SERVICE_QUOTA_EXCEEDED"}
	}
	parent, fault := s.parent(in.ParentSnapshotId, in.VolumeSize)
	if fault != nil {
		return fault
	}
	id := "snap-" + random(9)[:17]
	f, err := os.Create(filepath.Join(s.Dir, id))
	if err != nil {
		return &Fault{http.StatusInternalServerError, "InternalServerException", err.Error(), ""}
	}
	sn := &snapshot{id: id, token: in.ClientToken, request: string(body), gib: in.VolumeSize, description: in.Description, tags: in.Tags,
		encrypted: s.Encrypt || in.Encrypted != nil && *in.Encrypted, key: cmp.Or(in.KmsKeyArn, DefaultKey), state: pending, unknown: s.Unknown,
		began: time.Now(), last: time.Now(), sums: map[int32][sha256.Size]byte{}, file: f}
	if parent != nil {
		sn.inherit(parent)
	}
	s.snapshots = append(s.snapshots, sn)
	return w.snapshot(sn)
}

// DefaultKey is the ARN of the key that the account encrypts with.
const DefaultKey = "arn:aws:kms:eu-west-1:123456789012:key/1234"

// parent returns the parent of a new snapshot of so many GiB, nil if it is to have none.
// s.mu is held.
func (s *Server) parent(id string, gib int64) (*snapshot, *Fault) {
	if id == "" {
		return nil, nil
	}
	sn, fault := s.readable(id)
	switch {
	case fault != nil:
		return nil, fault
	case gib < sn.gib:
		return nil, validation("INVALID_VOLUME_SIZE", "Invalid volume size: %d, smaller than the parent's %d", gib, sn.gib)
	case s.Encrypt && !sn.encrypted:
		return nil, validation("INVALID_PARAMETER_VALUE", "the account encrypts by default, and the parent is not encrypted")
	}
	return sn, nil
}

// inherit takes over what the parent has.
func (sn *snapshot) inherit(parent *snapshot) {
	sn.encrypted, sn.key, sn.inherited = parent.encrypted, parent.key, map[int32]stored{}
	for _, i := range parent.all() {
		sn.inherited[i], _ = parent.block(i)
	}
	parent.shared = true
}

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
