package ebstest

import (
	"io"
	"net/http"
	"testing"

	"purebundle/chunk/s3/s3test"
)

// proxyAPI is how EBS and EC2 speak.
var proxyAPI = s3test.API{
	Answer: func(w http.ResponseWriter, r *http.Request, status int, code, message string) {
		_, _ = io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/" {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `<Response><Errors><Error><Code>`+code+`</Code><Message>`+message+`</Message></Error></Errors><RequestID>FAULT</RequestID></Response>`)
			return
		}
		answer(w, &Fault{status, code, message, ""})
	},
	Internal: "InternalServerException", Slow: "RequestThrottledException", SlowStatus: http.StatusBadRequest,
	Guards:  func(r *http.Request) bool { name, _, _ := operation(r); return name == "GetSnapshotBlock" },
	Guarded: func(r *http.Request) bool { name, _, _ := operation(r); return name == "PutSnapshotBlock" },
}

// Proxy starts a proxy in front of s that breaks requests, until the test ends.
func (s *Server) Proxy(t testing.TB, faults s3test.Faults) *s3test.Proxy {
	t.Helper()
	return s3test.StartProxy(t, s.Endpoint, proxyAPI, faults)
}
