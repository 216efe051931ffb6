package ebstest

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"purebundle/chunk/ec2/ami/amitest"
)

// Snapshot is what tests may know of a snapshot.
type Snapshot struct {
	ID, State, Token string
	GiB              int64
	Encrypted        bool
	Description      string
	Tags             map[string]string
	Blocks           int // that were put
	All              int // with the parent's
}

// Snapshots returns those that are not deleted.
func (s *Server) Snapshots() (list []Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sn := range s.snapshots {
		s.expire(sn)
		tags := map[string]string{}
		for _, t := range sn.tags {
			tags[t.Key] = t.Value
		}
		list = append(list, Snapshot{sn.id, sn.state, sn.token, sn.gib, sn.encrypted, sn.description, tags, len(sn.sums), len(sn.all())})
	}
	return list
}

// look is what EC2 asks about the root snapshot of an image.
func (s *Server) look(id string) (gib int64, done, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sn := s.find(id)
	if sn == nil {
		return 0, false, false
	}
	return sn.gib, sn.state == completed, true
}

// actions returns what of EC2 is about snapshots.
func (s *Server) actions() map[string]func(url.Values) (string, *amitest.Fault) {
	return map[string]func(url.Values) (string, *amitest.Fault){
		"DescribeSnapshots": s.describe,
		"DeleteSnapshot":    s.remove,
		"CreateTags":        s.tag,
	}
}

func missing(id string) *amitest.Fault {
	return &amitest.Fault{Status: http.StatusBadRequest, Code: "InvalidSnapshot.NotFound", Message: "The snapshot '" + id + "' does not exist."}
}

// describe does DescribeSnapshots.
func (s *Server) describe(form url.Values) (string, *amitest.Fault) {
	if form.Get("DryRun") == "true" {
		return "", &amitest.DryRun
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*snapshot
	for n := 1; form.Has(fmt.Sprintf("SnapshotId.%d", n)); n++ {
		id := form.Get(fmt.Sprintf("SnapshotId.%d", n))
		sn := s.find(id)
		if sn == nil {
			return "", missing(id)
		}
		found = append(found, sn)
	}
	if !form.Has("SnapshotId.1") {
		found = slices.Clone(s.snapshots)
	}
	from, _ := strconv.Atoi(form.Get("NextToken"))
	most := 1000
	if s.Page > 0 {
		most = s.Page
	}
	var items strings.Builder
	next := ""
	for i, sn := range found {
		s.expire(sn)
		switch {
		case i < from:
			continue
		case i >= from+most:
			next = fmt.Sprintf("<nextToken>%d</nextToken>", i)
		}
		if next != "" {
			break
		}
		if sn.sealed && sn.state == pending {
			if sn.looks++; sn.looks > s.Looks {
				if sn.state = completed; s.Broken != "" {
					sn.state, sn.why = failed, s.Broken
				}
			}
		}
		if !amitest.Match(form, sn.tags, map[string]string{"status": sn.state, "snapshot-id": sn.id}) {
			continue
		}
		fmt.Fprintf(&items, `<item><snapshotId>%s</snapshotId><status>%s</status><statusMessage>%s</statusMessage><startTime>%s</startTime><progress>100%%</progress>`+
			`<ownerId>123456789012</ownerId><volumeSize>%d</volumeSize><description>%s</description><encrypted>%t</encrypted>%s%s</item>`,
			sn.id, sn.state, amitest.Escape(sn.why), sn.began.UTC().Format(time.RFC3339), sn.gib, amitest.Escape(sn.description), sn.encrypted, sn.kmsKey(), amitest.TagSet(sn.tags))
	}
	return amitest.Answer("DescribeSnapshots", "<snapshotSet>"+items.String()+"</snapshotSet>"+next), nil
}

// kmsKey returns what DescribeSnapshots says of the key.
func (sn *snapshot) kmsKey() string {
	if !sn.encrypted {
		return ""
	}
	return "<kmsKeyId>" + amitest.Escape(sn.key) + "</kmsKeyId>"
}

// remove does DeleteSnapshot.
func (s *Server) remove(form url.Values) (string, *amitest.Fault) {
	id := form.Get("SnapshotId")
	if image := s.EC2.Uses(id); image != "" {
		return "", &amitest.Fault{Status: http.StatusBadRequest, Code: "InvalidSnapshot.InUse", Message: "The snapshot " + id + " is currently in use by " + image}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sn := s.find(id)
	switch {
	case sn == nil:
		return "", missing(id)
	case form.Get("DryRun") == "true":
		return "", &amitest.DryRun
	}
	sn.drop()
	s.snapshots = slices.DeleteFunc(s.snapshots, func(other *snapshot) bool { return other == sn })
	return amitest.Answer("DeleteSnapshot", "<return>true</return>"), nil
}

// Forget deletes all snapshots.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sn := range s.snapshots {
		sn.drop()
	}
	s.snapshots = nil
}

// drop removes what a snapshot has on disk; what others have of it stays readable.
func (sn *snapshot) drop() {
	if !sn.shared {
		sn.file.Close()
	}
	_ = os.Remove(sn.file.Name()) // a test's directory goes anyway
}

// tag does CreateTags.
func (s *Server) tag(form url.Values) (string, *amitest.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sn := s.find(form.Get("ResourceId.1"))
	switch {
	case sn == nil:
		return "", missing(form.Get("ResourceId.1"))
	case form.Get("DryRun") == "true":
		return "", &amitest.DryRun
	}
	sn.tags = amitest.SetTags(sn.tags, amitest.FormTags(form, "Tag"))
	return amitest.Answer("CreateTags", "<return>true</return>"), nil
}

// Change changes a block of a snapshot behind the API's back, so that its digest is
// another.
func (s *Server) Change(t testing.TB, id string, index int32) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	sn := s.find(id)
	b := make([]byte, 1)
	there, ok := sn.block(index)
	if !ok {
		t.Fatalf("no block %d", index)
	}
	_, err := there.file.ReadAt(b, int64(index)*BlockSize)
	if err == nil {
		b[0] ^= 0xff
		_, err = there.file.WriteAt(b, int64(index)*BlockSize)
	}
	if err != nil {
		t.Fatal(err)
	}
	if sn.state == pending {
		sum := sn.sums[index]
		sum[0] ^= 0xff
		sn.sums[index] = sum
	}
}

// Put makes a block of a complete snapshot another one behind the API's back, with the
// digest that it has then.
func (s *Server) Put(t testing.TB, id string, index int32, p []byte) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	sn := s.find(id)
	if _, err := sn.file.WriteAt(p, int64(index)*BlockSize); err != nil {
		t.Fatal(err)
	}
	sn.sums[index] = sha256.Sum256(p)
}

// Delete deletes a snapshot as DeleteSnapshot does.
func (s *Server) Delete(id string) { _, _ = s.remove(url.Values{"SnapshotId": {id}}) }

// Copy returns the id of a copy of a complete snapshot.
func (s *Server) Copy(t testing.TB, id string) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.find(id)
	sn := &snapshot{id: "snap-" + random(9)[:17], token: random(8), gib: from.gib, state: completed, sealed: true, began: time.Now(), file: from.file, sums: map[int32][sha256.Size]byte{}}
	sn.inherit(from)
	s.snapshots = append(s.snapshots, sn)
	return sn.id
}
