package ebstest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"purebundle/chunk/ec2/ami/amitest"
)

// BlockSize is the length of a block, in bytes.
const BlockSize = 512 << 10

// Server is a running EBS, with the EC2 beside it.
type Server struct {
	amitest.Account
	Endpoint string // "http://127.0.0.1:PORT", of both
	EC2      *amitest.Server
	Dir      string // a file for each snapshot

	// Rules of the server; set them before the first request.

	Encrypt bool          // encryption by default
	Unknown int           // requests that do not know a new snapshot yet
	Looks   int           // DescribeSnapshots that find a complete snapshot still pending
	Broken  string        // why snapshots end in state error, "" if they do not
	Idle    time.Duration // of a pending snapshot, until it is given up; 0: for ever
	Life    time.Duration // of tokens; 0: for ever
	Page    int           // blocks or snapshots listed at once at most; 0: 100
	Pending int           // snapshots that may be pending at once; 0: 100
	Digests bool          // keep the digests of blocks, not the blocks, which then cannot be read

	mu        sync.Mutex
	hold      time.Duration
	holdFrom  int // request for a block from which on they wait; 0: none
	snapshots []*snapshot
	faults    map[string][]Fault // by operation, to come
	counts    map[string]int     // requests by operation
	inFlight  map[string]int     // requests by path, of blocks
	twice     int                // requests for a block that another one was in flight for
	again     int                // blocks that were put as they were already
	most      int                // requests for blocks at once
	secret    string             // of tokens
}

// Fault is an error that is answered instead of doing what was asked.
type Fault struct {
	Status                int // of HTTP
	Code, Message, Reason string
}

// Lost is done, and the connection ends instead of an answer.
var Lost = Fault{Code: "lost"}

// New returns a server that somebody else listens for; it keeps its files in dir.
func New(dir string, account amitest.Account) *Server {
	s := &Server{EC2: amitest.New(account), Dir: dir, faults: map[string][]Fault{}, counts: map[string]int{}, inFlight: map[string]int{}, secret: random(8)}
	s.Account = s.EC2.Account
	s.EC2.Actions, s.EC2.Snapshot = s.actions(), s.look
	return s
}

// Start runs a server until the test ends.
func Start(t testing.TB) *Server { t.Helper(); return StartFor(t, amitest.Account{}) }

// StartFor does the same for an account that other servers have, too.
func StartFor(t testing.TB, account amitest.Account) *Server {
	t.Helper()
	s := New(t.TempDir(), account)
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	s.Endpoint = front.URL
	return s
}

// Env returns the environment that leads the SDK's standard chain to this server and
// away from the files and the instance of the user: "NAME=value".
func (s *Server) Env() []string { return s.EnvAt(s.Endpoint) }

// EnvAt returns Env with another endpoint, which leads here.
func (s *Server) EnvAt(endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL_EBS=" + endpoint,
		"AWS_ENDPOINT_URL_EC2=" + endpoint,
		"AWS_ENDPOINT_URL=", "AWS_PROFILE=", "AWS_CA_BUNDLE=", "AWS_SESSION_TOKEN=",
		"AWS_REGION=" + s.Region,
		"AWS_ACCESS_KEY_ID=" + s.Access,
		"AWS_SECRET_ACCESS_KEY=" + s.Secret,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=" + filepath.Join(s.Dir, ".no-config"),
		"AWS_SHARED_CREDENTIALS_FILE=" + filepath.Join(s.Dir, ".no-credentials"),
	}
}

// Setenv sets Env for the rest of the test.
func (s *Server) Setenv(t testing.TB) { t.Helper(); SetenvAt(t, s.Env()) }

// SetenvAt sets "NAME=value" lines for the rest of the test.
func SetenvAt(t testing.TB, env []string) {
	t.Helper()
	for _, line := range env {
		name, value, _ := strings.Cut(line, "=")
		t.Setenv(name, value)
	}
}

// Fail makes the next requests for an operation of EBS fail. Of several faults, each
// answers one request. EC2 has its own.
func (s *Server) Fail(operation string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[operation] = append(s.faults[operation], faults...)
}

// Count returns how many requests there were for an operation of EBS.
func (s *Server) Count(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts[operation]
}

// AtOnce returns how many blocks were in flight at once at most, and how often a
// block was sent while the same one was in flight, which gives either of the two.
func (s *Server) AtOnce() (most, twice int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most, s.twice
}

// Again returns how often a block was put that was there already, as it was.
func (s *Server) Again() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.again
}

// random returns n random bytes as hexadecimal digits.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// operation says which operation of EBS a request is for, "" for none, and for which
// snapshot and block.
func operation(r *http.Request) (name, id, index string) {
	p := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case p[0] != "snapshots":
	case len(p) == 1 && r.Method == http.MethodPost:
		return "StartSnapshot", "", ""
	case len(p) == 3 && p[1] == "completion" && r.Method == http.MethodPost:
		return "CompleteSnapshot", p[2], ""
	case len(p) == 3 && p[2] == "blocks" && r.Method == http.MethodGet:
		return "ListSnapshotBlocks", p[1], ""
	case len(p) == 4 && p[2] == "blocks" && r.Method == http.MethodPut:
		return "PutSnapshotBlock", p[1], p[3]
	case len(p) == 4 && p[2] == "blocks" && r.Method == http.MethodGet:
		return "GetSnapshotBlock", p[1], p[3]
	}
	return "", "", ""
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" {
		s.EC2.ServeHTTP(w, r)
		return
	}
	name, id, index := operation(r)
	body, err := readBody(name, r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	signed := body
	if name == "PutSnapshotBlock" {
		signed = nil
	}
	if fault := s.CheckSignature(r, "ebs", signed); fault != nil {
		answer(w, &Fault{fault.Status, fault.Code, fault.Message, ""})
		return
	}
	s.mu.Lock()
	s.counts[name]++
	var planned *Fault
	if list := s.faults[name]; len(list) > 0 {
		planned, s.faults[name] = &list[0], list[1:]
	}
	s.mu.Unlock()
	if planned != nil && *planned != Lost {
		answer(w, planned)
		return
	}
	reply := &reply{header: http.Header{}}
	fault := reply.unknown(name, r)
	if fault == nil {
		switch name {
		case "StartSnapshot":
			fault = s.start(reply, body)
		case "PutSnapshotBlock":
			fault = s.put(reply, r, id, index, body)
		case "CompleteSnapshot":
			fault = s.complete(reply, r, id)
		case "ListSnapshotBlocks":
			fault = s.list(reply, r, id)
		case "GetSnapshotBlock":
			fault = s.get(reply, r, id, index)
		default:
			fault = &Fault{http.StatusNotFound, "UnknownOperationException", r.Method + " " + r.URL.Path, ""}
		}
	}
	switch {
	case planned != nil:
		panic(http.ErrAbortHandler)
	case fault != nil:
		answer(w, fault)
	default:
		reply.send(w)
	}
}

// File returns the path of what the first size bytes of a volume made of a snapshot
// hold: a file that is made for it, with zeros or, if the snapshot is encrypted, random bytes where no block was
// put.
func (s *Server) File(t testing.TB, id string, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), id)
	if err := s.Assemble(id, path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// Assemble makes the file at path what File says.
func (s *Server) Assemble(id, path string, size int64) error {
	s.mu.Lock()
	sn := s.find(id)
	s.mu.Unlock()
	if sn == nil || sn.state != completed {
		return fmt.Errorf("snapshot %q is not complete", id)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		return err
	}
	buf := make([]byte, BlockSize)
	for i := range int32(min(sn.gib<<30, size) / BlockSize) {
		switch b, there := sn.block(i); {
		case there:
			_, err = b.file.ReadAt(buf, int64(i)*BlockSize)
		case sn.encrypted:
			_, _ = rand.Read(buf)
		default:
			continue
		}
		if err == nil {
			_, err = f.WriteAt(buf, int64(i)*BlockSize)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
