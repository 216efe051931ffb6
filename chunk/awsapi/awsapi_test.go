package awsapi

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"purebundle/chunk"
)

// script answers requests one after another; the last answer repeats.
type script struct {
	mu      sync.Mutex
	answers []string // status, code, message, separated by a bar; "ok"; "cut": no answer
	header  map[string]string
	asked   int
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	a := s.answers[min(s.asked, len(s.answers)-1)]
	s.asked++
	s.mu.Unlock()
	for k, v := range s.header {
		w.Header().Set(k, v)
	}
	switch a {
	case "ok":
		return
	case "cut":
		panic(http.ErrAbortHandler)
	}
	f := strings.SplitN(a, "|", 3)
	var status int
	_, _ = fmt.Sscan(f[0], &status)
	w.WriteHeader(status)
	if f[1] != "" && r.Method != http.MethodHead {
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s</Message></Error>", f[1], f[2])
	}
}

// isolate keeps the configuration of the machine out.
func isolate(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "AWS_PROFILE": "", "AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": "",
		"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET", "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
		"AWS_CA_BUNDLE": "", "AWS_MAX_ATTEMPTS": "", "AWS_EC2_METADATA_DISABLED": "true",
		"HTTP_PROXY": "", "HTTPS_PROXY": "", "http_proxy": "", "https_proxy": "",
	} {
		t.Setenv(name, value)
	}
}

// s3Client returns an S3 client of the kind that Load configures.
func s3Client(t *testing.T, opt Options) *s3.Client {
	t.Helper()
	cfg, err := Load(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

func put(ctx context.Context, c *s3.Client) error {
	_, err := c.PutObject(WithSubject(ctx, "web.part.003"), &s3.PutObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("dir/web.part.003"), Body: bytes.NewReader([]byte("hello"))})
	return err
}

func TestRetries(t *testing.T) {
	isolate(t)
	for _, tt := range []struct {
		name    string
		answers []string
		tries   int // what is asked
		text    string
		notice  string
	}{
		{"at once", []string{"ok"}, 1, "", ""},
		{"throttled", []string{"503|SlowDown|Please reduce your request rate.", "ok"}, 2, "", "PutObject web.part.003: SlowDown (503): again in "},
		{"throttled by status", []string{"429||", "ok"}, 2, "", "PutObject web.part.003: TooManyRequests (429): again in "},
		{"internal error", []string{"500|InternalError|x", "500|InternalError|x", "ok"}, 3, "", "InternalError (500)"},
		{"gateway", []string{"502||", "504||", "ok"}, 3, "", "BadGateway (502)"},
		{"cut", []string{"cut", "ok"}, 2, "", "connection closed"},
		{"request timeout", []string{"400|RequestTimeout|Your socket connection was not read from.", "ok"}, 2, "", "RequestTimeout (400)"},
		{"changed on the way", []string{"400|BadDigest|x", "400|XAmzContentSHA256Mismatch|x", "ok"}, 3, "", "BadDigest (400)"},
		{"in use", []string{"409|OperationAborted|x", "ok"}, 2, "", "OperationAborted (409)"},
		{"throttled for good", []string{"503|SlowDown|x"}, 4, "SlowDown", "SlowDown (503)"},
		{"denied", []string{"403|AccessDenied|Access Denied"}, 1, "AccessDenied", ""},
		{"bad request", []string{"400|InvalidArgument|x"}, 1, "InvalidArgument", ""},
		{"not implemented", []string{"501|NotImplemented|x"}, 1, "NotImplemented", ""},
		{"clock", []string{"403|RequestTimeTooSkewed|x"}, 1, "RequestTimeTooSkewed", ""},
		{"elsewhere", []string{"301|PermanentRedirect|x"}, 1, "PermanentRedirect", ""},
		{"expired", []string{"400|ExpiredToken|x"}, 1, "ExpiredToken", ""},
		{"precondition", []string{"412|PreconditionFailed|x"}, 1, "PreconditionFailed", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{answers: tt.answers}
			srv := httptest.NewServer(s)
			defer srv.Close()
			var notices notes
			err := put(t.Context(), s3Client(t, Options{Endpoint: srv.URL, Attempts: 4, Notify: notices.add}))
			if tt.text == "" && err != nil || tt.text != "" && (err == nil || !strings.Contains(err.Error(), tt.text)) {
				t.Errorf("error %v", err)
			}
			if s.asked != tt.tries {
				t.Errorf("asked %d times", s.asked)
			}
			if got := notices.text(); !strings.Contains(got, tt.notice) || strings.Count(got, "\n") != tt.tries-1 {
				t.Errorf("notices %q", got)
			}
		})
	}
}

// notes collects notices.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, text)
}

func (n *notes) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.all) == 0 {
		return ""
	}
	return strings.Join(n.all, "\n") + "\n"
}

func TestExplain(t *testing.T) {
	isolate(t)
	hour := time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)
	for _, tt := range []struct {
		name   string
		answer string
		header map[string]string
		want   []string
	}{
		{"no bucket", "404|NoSuchBucket|The specified bucket does not exist", nil, []string{"NoSuchBucket", "make the bucket"}},
		{"region by header", "301|PermanentRedirect|x", map[string]string{"x-amz-bucket-region": "eu-west-3"}, []string{"another region: eu-west-3", "AWS_REGION=eu-west-3"}},
		{"region by text", "400|AuthorizationHeaderMalformed|The authorization header is malformed; the region 'us-east-1' is wrong; expecting 'eu-central-1'", nil, []string{"another region: eu-central-1"}},
		{"region not told", "301|PermanentRedirect|x", nil, []string{"name its region"}},
		{"denied", "403|AccessDenied|User: arn:aws:iam::1:user/u is not authorized to perform: s3:PutObject", nil, []string{"not authorized to perform: s3:PutObject", "allow s3:PutObject"}},
		{"clock", "403|RequestTimeTooSkewed|x", map[string]string{"Date": hour}, []string{"ahead of the server's", "set the clock"}},
		{"clock, by a signature", "403|SignatureDoesNotMatch|Signature expired: 20010101T000000Z is now earlier than 2026", map[string]string{"Date": hour}, []string{"ahead of the server's", "set the clock"}},
		{"blocked", "403|Blocked|x", nil, []string{"AWS Support"}},
		{"no such key of KMS", "400|KMS.NotFoundException|x", nil, []string{"no such key"}},
		{"expired", "400|ExpiredToken|The provided token has expired.", nil, []string{"ExpiredToken", "new credentials"}},
		{"unknown key", "403|InvalidAccessKeyId|x", nil, []string{"AWS_ACCESS_KEY_ID"}},
		{"wrong secret", "403|SignatureDoesNotMatch|x", nil, []string{"secret access key"}},
		{"no ACLs", "400|AccessControlListNotSupported|The bucket does not allow ACLs", nil, []string{"bucket owner preferred", "leave the ACL out", "bucket policy"}},
		{"throttled for good", "503|SlowDown|x", nil, []string{"fewer requests at once"}},
		{"broken for good", "500|InternalError|x", nil, []string{"try again later"}},
		{"control characters", "400|InvalidArgument|a&#10;b&#9;c", nil, []string{"InvalidArgument: a b c"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(&script{answers: []string{tt.answer}, header: tt.header})
			defer srv.Close()
			err := Explain("put", "s3://bucket/dir/x", put(t.Context(), s3Client(t, Options{Endpoint: srv.URL, Attempts: 1})))
			wantText(t, err, append(tt.want, "put s3://bucket/dir/x: ")...)
		})
	}
}

func wantText(t *testing.T, err error, want ...string) {
	t.Helper()
	e, ok := errors.AsType[*chunk.Error](err)
	if !ok {
		t.Fatalf("error %v (%T)", err, err)
	}
	text := e.Error() + " | " + e.Hint
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q does not say %q", text, w)
		}
	}
	if strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("%q has control characters", text)
	}
}

func TestExplainMissing(t *testing.T) {
	isolate(t)
	srv := httptest.NewServer(&script{answers: []string{"404|NoSuchKey|x"}})
	defer srv.Close()
	c := s3Client(t, Options{Endpoint: srv.URL})
	_, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	_, err2 := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	for _, err := range []error{err, err2} {
		if !errors.Is(Explain("get", "x", err), fs.ErrNotExist) {
			t.Errorf("%v", err)
		}
	}
}

// Where nothing ever answered, it is not tried all the times.
func TestNobodyThere(t *testing.T) {
	isolate(t)
	var notices notes
	err := put(t.Context(), s3Client(t, Options{Endpoint: "http://" + deaf(t), Attempts: 50, Notify: notices.add}))
	wantText(t, Explain("put", "x", err), "connection refused", "nothing answers at that endpoint")
	if n := strings.Count(notices.text(), "\n"); n != maxStrange-1 {
		t.Errorf("tried again %d times", n)
	}
	err = put(t.Context(), s3Client(t, Options{Endpoint: "http://nobody.invalid"}))
	wantText(t, Explain("put", "x", err), "nobody.invalid")
}

func TestExplainOthers(t *testing.T) {
	isolate(t)
	srv := httptest.NewServer(&script{answers: []string{"cut"}})
	defer srv.Close()
	err := put(t.Context(), s3Client(t, Options{Endpoint: srv.URL, Attempts: 2}))
	wantText(t, Explain("put", "x", err), "connection closed", "try again later")
	t.Setenv("AWS_REGION", "")
	err = put(t.Context(), s3Client(t, Options{}))
	wantText(t, Explain("put", "x", err), "no region is set", "AWS_REGION")
	known := &chunk.Error{Op: "a", Path: "b", Err: io.EOF}
	if got := Explain("put", "x", fmt.Errorf("c: %w", known)); got != known {
		t.Errorf("%v", got)
	}
	if got := Explain("put", "x", context.Canceled); got != context.Canceled {
		t.Errorf("%v", got)
	}
}

func TestEndpoint(t *testing.T) {
	isolate(t)
	for _, bad := range []string{"127.0.0.1:7070", "localhost", "ftp://x", "http://", "https://user@x", "https://x/?a=b", "http://[::1", "https://x#a"} {
		_, err := Load(t.Context(), Options{Endpoint: bad})
		wantText(t, err, "is no URL of a service", "such as https://")
		t.Setenv("AWS_ENDPOINT_URL", bad)
		_, err = Load(t.Context(), Options{})
		wantText(t, err, "is no URL of a service")
		t.Setenv("AWS_ENDPOINT_URL", "")
	}
	if err := CheckEndpoint("https://user:sesame@x"); err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("a password: %v", err)
	}
	for _, good := range []string{"", "http://127.0.0.1:7070", "https://s3.example.com/", "http://[::1]:80/path"} {
		if _, err := Load(t.Context(), Options{Endpoint: good}); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}

// The certificates of AWS_CA_BUNDLE count, and only they.
func TestCABundle(t *testing.T) {
	isolate(t)
	srv := httptest.NewUnstartedServer(&script{answers: []string{"ok"}})
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	err := put(t.Context(), s3Client(t, Options{Endpoint: srv.URL}))
	wantText(t, Explain("put", "x", err), "cannot trust the server", "AWS_CA_BUNDLE")
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", file)
	c := s3Client(t, Options{Endpoint: srv.URL, Stall: time.Second})
	if err := put(t.Context(), c); err != nil {
		t.Errorf("with its certificate: %v", err)
	}
}

func TestNoCredentials(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err := Load(t.Context(), Options{})
	wantText(t, err, "no credentials found", "AWS_ACCESS_KEY_ID", "profile", "role")
	_, err = Load(t.Context(), Options{Profile: "nosuch"})
	wantText(t, err, "profile nosuch: there is no such profile", "~/.aws/config")
	if testing.Short() {
		return
	}
	// A metadata service that is not there: the SDK gives up by itself.
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")
	start := time.Now()
	_, err = Load(t.Context(), Options{})
	wantText(t, err, "no credentials found")
	if d := time.Since(start); d > 30*time.Second {
		t.Errorf("took %v", d)
	}
}

// The role of an instance, and its region.
func TestInstanceRole(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_REGION", "")
	var tokens atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut { // IMDSv2
			tokens.Add(1)
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			fmt.Fprint(w, "token")
			return
		}
		if r.Header.Get("X-Aws-Ec2-Metadata-Token") != "token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		switch r.URL.Path {
		case "/latest/meta-data/iam/security-credentials/":
			fmt.Fprint(w, "role")
		case "/latest/meta-data/iam/security-credentials/role":
			fmt.Fprintf(w, `{"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"S","Token":"T","Expiration":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		case "/latest/dynamic/instance-identity/document":
			fmt.Fprint(w, `{"region":"ap-south-1"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer srv.Close()
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", srv.URL)
	cfg, err := Load(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	creds, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || creds.AccessKeyID != "ASIA" || cfg.Region != "ap-south-1" || tokens.Load() == 0 {
		t.Errorf("credentials %+v, region %q, %d tokens, %v", creds, cfg.Region, tokens.Load(), err)
	}
}

// The region of the instance is asked with keys of another source, too, and nobody
// waits for it if an endpoint is named or there is no such service.
func TestInstanceRegion(t *testing.T) {
	isolate(t)
	t.Setenv("AWS_REGION", "")
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch {
		case r.Method == http.MethodPut:
			w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
			fmt.Fprint(w, "token")
		case r.URL.Path == "/latest/dynamic/instance-identity/document":
			fmt.Fprint(w, `{"region":"ap-south-1"}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	t.Setenv("AWS_EC2_METADATA_DISABLED", "false")
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", url)
	if cfg, err := Load(t.Context(), Options{}); err != nil || cfg.Region != "ap-south-1" {
		t.Errorf("region %q, %v", cfg.Region, err)
	}
	asked.Store(0)
	if cfg, err := Load(t.Context(), Options{Region: "eu-west-1"}); err != nil || cfg.Region != "eu-west-1" || asked.Load() != 0 {
		t.Errorf("named: region %q, %v; asked %d times", cfg.Region, err, asked.Load())
	}
	if cfg, err := Load(t.Context(), Options{Endpoint: "http://127.0.0.1:1"}); err != nil || cfg.Region != "" || asked.Load() != 0 {
		t.Errorf("an endpoint: region %q, %v; asked %d times", cfg.Region, err, asked.Load())
	}
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://"+deaf(t))
	if cfg, err := Load(t.Context(), Options{}); err != nil || cfg.Region != "" {
		t.Errorf("nobody there: region %q, %v", cfg.Region, err)
	}
}

// Work that has moved much is tried again for minutes; the first requests, some times.
func TestPatience(t *testing.T) {
	isolate(t)
	body := make([]byte, object)
	const enough = much / object
	for _, tt := range []struct {
		name     string
		before   int // large requests that succeed
		failures int // of the next one
		patience time.Duration
		ok       bool
	}{
		{"the first", 0, 4, time.Minute, false},
		{"little was moved", enough - 1, 4, time.Minute, false},
		{"much was moved", enough, 6, time.Minute, true},
		{"patience ends", enough, 1000, time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers := slices.Repeat([]string{"ok"}, tt.before)
			answers = append(answers, slices.Repeat([]string{"503|SlowDown|x"}, tt.failures)...)
			s := &script{answers: append(answers, "ok")}
			var notices notes
			client := s3Client(t, Options{Endpoint: serve(t, s.ServeHTTP), Attempts: 2, Patience: tt.patience, Notify: notices.add})
			send := func() error {
				_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: bytes.NewReader(body)})
				return err
			}
			for range tt.before {
				if err := send(); err != nil {
					t.Fatal(err)
				}
			}
			if err := send(); (err == nil) != tt.ok {
				t.Errorf("error %v after %d requests", err, s.asked)
			}
			if said := strings.Contains(notices.text(), ", for 1m0s at most"); said != tt.ok {
				t.Errorf("notices %q", notices.text())
			}
		})
	}
}

func TestDo(t *testing.T) {
	var notices notes
	r := NewRetryer(Options{Attempts: 3, Notify: notices.add})
	tries := 0
	err := r.Do(t.Context(), "GetObject", "x", func(context.Context) error {
		tries++
		return Broken(io.ErrUnexpectedEOF)
	})
	if tries != 3 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d tries, %v", tries, err)
	}
	if text := notices.text(); !strings.HasPrefix(text, "GetObject x: connection closed in the middle of an answer: again in ") {
		t.Errorf("notices %q", text)
	}
	for _, final := range []error{errors.New("no"), context.Canceled} {
		tries = 0
		if err := r.Do(t.Context(), "GetObject", "x", func(context.Context) error { tries++; return final }); tries != 1 || !errors.Is(err, final) {
			t.Errorf("%d tries, %v", tries, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r = NewRetryer(Options{Attempts: 1000})
	err = r.Do(ctx, "GetObject", "x", func(context.Context) error { cancel(); return Broken(io.EOF) })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestPause(t *testing.T) {
	for attempt := 1; attempt < 100; attempt++ {
		for range 100 {
			if d := pause(attempt, nil); d < 0 || d > longestPause || attempt < 7 && d > firstPause<<(attempt-1) {
				t.Fatalf("after try %d: %v", attempt, d)
			}
		}
	}
}
