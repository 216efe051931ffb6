package s3test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// API is how a service speaks, as far as a Proxy must know.
type API struct {
	// Answer sends an error in the form that the service gives it, when the request has come.
	Answer func(w http.ResponseWriter, r *http.Request, status int, code, message string)
	// Internal and Slow are the codes of an error of the service and of throttling, with
	// the status of the second.
	Internal, Slow string
	SlowStatus     int
	// Guards says whether the content of an answer has a digest.
	Guards func(r *http.Request) bool
	// Guarded says whether the body of a request has one that is checked.
	Guarded func(r *http.Request) bool
}

// s3API is that of S3.
var s3API = API{Answer: answer, Internal: "InternalError", Slow: "SlowDown", SlowStatus: http.StatusServiceUnavailable,
	Guards: GetsObject, Guarded: func(r *http.Request) bool { return r.ContentLength > 0 }}

// Proxy stands in front of a server and breaks requests. What it passes, it
// passes unchanged, the Host header too, which is signed.
type Proxy struct {
	Endpoint string // "http://127.0.0.1:PORT"

	server *Server // nil: no S3
	target string  // "127.0.0.1:PORT"
	api    API
	faults Faults
	back   *http.Transport
	done   context.Context // when it ends the test is over: stalled connections close

	mu       sync.Mutex
	requests int
	chosen   [kinds]int
	counts   [kinds]int     // of those, the ones that could be done
	streaks  map[string]int // faults in a row, by method and path
}

// Proxy starts a proxy in front of s, until the test ends.
func (s *Server) Proxy(t testing.TB, faults Faults) *Proxy {
	t.Helper()
	p := StartProxy(t, s.Endpoint, s3API, faults)
	p.server = s
	return p
}

// StartProxy starts a proxy in front of another service, until the test ends.
func StartProxy(t testing.TB, endpoint string, api API, faults Faults) *Proxy {
	t.Helper()
	done, cancel := context.WithCancel(context.Background())
	p := &Proxy{target: strings.TrimPrefix(endpoint, "http://"), api: api, faults: faults, done: done, streaks: map[string]int{},
		back: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16, ExpectContinueTimeout: time.Second}}
	front := httptest.NewUnstartedServer(p)
	front.Config.ErrorLog = log.New(io.Discard, "", 0) // of panics that cut connections
	front.Start()
	p.Endpoint = front.URL
	t.Cleanup(func() {
		cancel()
		front.CloseClientConnections()
		front.Close()
		p.back.CloseIdleConnections()
	})
	return p
}

// Env returns that of the server, through the proxy.
func (p *Proxy) Env() []string { return p.through().Env() }

// Setenv sets Env for the rest of the test.
func (p *Proxy) Setenv(t testing.TB) {
	t.Helper()
	setenv(t, p.Env())
}

// Client returns a plain client of the SDK, through the proxy.
func (p *Proxy) Client() *s3.Client { return p.through().Client() }

func (p *Proxy) through() *Server {
	return &Server{Endpoint: p.Endpoint, Region: p.server.Region, Access: p.server.Access, Secret: p.server.Secret, Dir: p.server.Dir, Make: p.server.Make}
}

// Set changes what is broken from now on. The count of requests goes on.
func (p *Proxy) Set(faults Faults) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = faults
}

// Requests returns how many requests have come.
func (p *Proxy) Requests() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.requests
}

// Count returns how many faults of a kind have happened.
func (p *Proxy) Count(k Kind) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts[k]
}

// next chooses the fault of the request that has come.
func (p *Proxy) next(r *http.Request) Kind {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.faults.choose(p.requests, r, &p.api, &p.chosen)
	p.requests++
	object := r.Method + " " + r.URL.Path
	if k == None || p.faults.Streak > 0 && p.streaks[object] >= p.faults.Streak {
		delete(p.streaks, object)
		return None
	}
	p.streaks[object]++
	p.chosen[k]++
	return k
}

// happened counts a fault.
func (p *Proxy) happened(k Kind) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[k]++
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k := p.next(r)
	switch k {
	case InternalError:
		p.happened(k)
		p.api.Answer(w, r, http.StatusInternalServerError, p.api.Internal, "We encountered an internal error. Please try again.")
		return
	case SlowDown:
		p.happened(k)
		p.api.Answer(w, r, p.api.SlowStatus, p.api.Slow, "Please reduce your request rate.")
		return
	case CopyError:
		p.happened(k)
		answer(w, r, http.StatusOK, "InternalError", "We encountered an internal error. Please try again.")
		return
	case DeleteError:
		p.happened(k)
		deleteErrors(w, r)
		return
	case ResetRequest, StallRequest:
		p.breakRequest(w, r, k)
		return
	case CorruptRequest:
		p.happened(k)
		r.Body = io.NopCloser(&flipper{r.Body, r.ContentLength / 2})
	}
	response, err := p.forward(r, r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the server's failure: the client sees its connection end
	}
	defer response.Body.Close()
	if k == None || k == CorruptRequest || response.StatusCode >= 300 {
		pass(w, response)
		return
	}
	p.happened(k)
	p.breakResponse(w, r, response, k)
}

// forward sends the request to the server.
func (p *Proxy) forward(r *http.Request, body io.Reader) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.URL.Scheme = "http"
	out.URL.Host = p.target
	out.RequestURI = ""
	out.Body = http.NoBody
	if r.ContentLength != 0 {
		out.Body = io.NopCloser(body)
	}
	return p.back.RoundTrip(out)
}

// pass gives the server's response to the client as it is.
func pass(w http.ResponseWriter, response *http.Response) {
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	if response.ContentLength >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(response.ContentLength, 10))
	}
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, response.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// answer sends an error in the form that S3 gives it, when the request has come.
func answer(w http.ResponseWriter, r *http.Request, status int, code, message string) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "FAULT")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<Error><Code>%s</Code><Message>%s</Message>`+
			`<Resource>%s</Resource><RequestId>FAULT</RequestId></Error>`, code, message, r.URL.EscapedPath())
	}
}

var deleteKey = regexp.MustCompile(`<Key>[^<]*</Key>`)

// deleteErrors answers to DeleteObjects that nothing was deleted.
func deleteErrors(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`)
	for _, key := range deleteKey.FindAll(body, -1) {
		fmt.Fprintf(w, `<Error>%s<Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message></Error>`, key)
	}
	fmt.Fprint(w, `</DeleteResult>`)
}

// take takes the connection away from net/http.
func take(w http.ResponseWriter) *net.TCPConn {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	return conn.(*net.TCPConn)
}

// reset closes a connection with RST: what was sent and not yet read is lost.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	conn.Close()
}

// hold keeps a connection open without a byte until the test is over.
func (p *Proxy) hold(conn *net.TCPConn) {
	<-p.done.Done()
	conn.Close()
}

// errCut ends the part of a request that reaches the server.
var errCut = errors.New("cut by the proxy")
