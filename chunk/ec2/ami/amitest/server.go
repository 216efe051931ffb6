package amitest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
)

// Account is whose requests are answered. The zero value stands for an account
// of the server's own making.
type Account struct{ Region, Access, Secret string }

// Server is a running EC2.
type Server struct {
	Account
	Endpoint string // "http://127.0.0.1:PORT"

	// Looks is how many DescribeImages answer "pending" before the image is
	// available. Set it before the first request.
	Looks int
	// Hidden is how many DescribeImages do not know a new image yet.
	Hidden int
	// Broken, if not "", is the state that images end in, instead of available.
	Broken string
	// Manifest, if not nil, is asked what is wrong with the bundle at
	// BUCKET/KEY; "" is nothing.
	Manifest func(location string) string

	// Page is how many images are listed at once at most; 0: 1000.
	Page int
	// Templates are the launch templates: by name or id, the image of each version.
	Templates map[string][]string
	// Parameters are what "resolve:ssm:NAME" stands for in the image of a version.
	Parameters map[string]string

	// Snapshot, if not nil, is asked for the size of a snapshot, in GiB, and whether it
	// is completed.
	Snapshot func(id string) (gib int64, completed, known bool)
	// Actions does what is not about images: by name, called with the parameters.
	Actions map[string]func(form url.Values) (xml string, fault *Fault)

	mu       sync.Mutex
	requests []url.Values
	faults   map[string][]Fault // by action, to come
	images   []*image
	made     int // images, those that are deregistered too
}

// Fault is an error that is answered instead of doing what was asked.
type Fault struct {
	Status        int // of HTTP
	Code, Message string
}

// Lost is done, and the connection ends instead of an answer.
var Lost = Fault{Code: "lost"}

// Start runs an EC2 until the test ends.
func Start(t testing.TB, account Account) *Server {
	t.Helper()
	s := New(account)
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	s.Endpoint = front.URL
	return s
}

// New returns an EC2 that somebody else listens for.
func New(account Account) *Server {
	if account == (Account{}) {
		account = Account{Region: "eu-west-1", Access: "AKIDEXAMPLE", Secret: "secret/of+tests"}
	}
	return &Server{Account: account, Looks: 2, faults: map[string][]Fault{}}
}

// Setenv leads the SDK's calls of EC2, and of nothing else, to s for the rest
// of the test. The keys are for the test to set.
func (s *Server) Setenv(t testing.TB) {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL_EC2", s.Endpoint)
}

// Fail makes the next request for an action fail. Of several faults, each
// answers one request.
func (s *Server) Fail(action string, faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[action] = append(s.faults[action], faults...)
}

// Requests returns the parameters of all requests for an action that were rightly
// signed, failed ones too.
func (s *Server) Requests(action string) []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []url.Values
	for _, r := range s.requests {
		if r.Get("Action") == action {
			all = append(all, r)
		}
	}
	return all
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if fault := s.CheckSignature(r, "ec2", body); fault != nil {
		fault.answer(w)
		return
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/" {
		(&Fault{http.StatusBadRequest, "InvalidRequest", fmt.Sprintf("%s %s: %v", r.Method, r.URL, err)}).answer(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, form)
	xml, fault := s.do(form)
	switch {
	case fault == nil:
		w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
		_, _ = io.WriteString(w, xml)
	case *fault == Lost:
		panic(http.ErrAbortHandler)
	default:
		fault.answer(w)
	}
}

// do does what is asked, or what Fail wants.
func (s *Server) do(form url.Values) (xml string, fault *Fault) {
	action := form.Get("Action")
	if fault := checkParameters(form); fault != nil {
		return "", fault
	}
	var planned *Fault
	if list := s.faults[action]; len(list) > 0 {
		planned, s.faults[action] = &list[0], list[1:]
	}
	if planned != nil && *planned != Lost {
		return "", planned
	}
	switch action {
	case "RegisterImage":
		xml, fault = s.register(form)
	case "DescribeImages":
		xml, fault = s.describe(form)
	case "DeregisterImage":
		xml, fault = s.deregister(form)
	case "CreateTags":
		xml, fault = s.tag(form)
	case "DescribeLaunchTemplateVersions":
		xml, fault = s.template(form)
	default:
		do := s.Actions[action]
		if do == nil {
			return "", &Fault{http.StatusBadRequest, "InvalidAction", "The action " + action + " is not valid for this web service."}
		}
		xml, fault = do(form)
	}
	if planned != nil {
		fault = planned
	}
	return xml, fault
}

// answer sends an error as EC2's query API gives it.
func (f *Fault) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(f.Status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+
		`<Response><Errors><Error><Code>%s</Code><Message>%s</Message></Error></Errors><RequestID>%s</RequestID></Response>`,
		Escape(f.Code), Escape(f.Message), requestID)
}

// requestID is that of every answer.
const requestID = "59dbff89-35bd-4eac-99ed-be587EXAMPLE"
