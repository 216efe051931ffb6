package ebstest

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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
