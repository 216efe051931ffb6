package awsapi

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

// TestMain also runs as the child of TestCauses: the proxies of the environment are read
// once a process.
func TestMain(m *testing.M) {
	switch os.Getenv("AWSAPI_CHILD") {
	case "list":
		child()
		return
	case "proxies":
		proxies()
		return
	}
	os.Exit(m.Run())
}

// outcome is how it went for a child.
type outcome struct {
	Text  string // of the error, with its hint; "" is success
	Again int    // tries beyond the first
}

// child lists a bucket and tells how it went.
func child() {
	var o outcome
	ctx := context.Background()
	cfg, err := Load(ctx, Options{Attempts: 3, Notify: func(string) { o.Again++ }})
	if err == nil {
		client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
		_, err = client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("bucket")})
		err = Explain("list", "s3://bucket", err)
	}
	if e, ok := errors.AsType[*chunk.Error](err); ok {
		o.Text = e.Error() + " | " + e.Hint
	} else if err != nil {
		o.Text = err.Error() + " | no hint"
	}
	_ = json.NewEncoder(os.Stdout).Encode(o)
}

// proxies tells which of the URLs of its environment are reached through a proxy.
func proxies() {
	var o outcome
	for _, name := range strings.Fields(os.Getenv("CHILD_URLS")) {
		request, err := http.NewRequest(http.MethodGet, name, nil)
		if err != nil {
			panic(err)
		}
		if proxy, err := proxyFor(request); proxy != nil && err == nil {
			o.Text += name + " "
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(o)
}

// The metadata service is never asked through a proxy, whatever the environment says.
func TestMetadataWithoutProxy(t *testing.T) {
	t.Parallel()
	o := inChild(t, map[string]string{"AWSAPI_CHILD": "proxies", "HTTP_PROXY": "http://proxy.example.test:3128", "HTTPS_PROXY": "http://proxy.example.test:3128",
		"CHILD_URLS": "http://169.254.169.254/latest/ http://169.254.170.2/ http://[fd00:ec2::254]/ http://[fe80::1]/ http://s3.example.test/ https://s3.example.test/ http://192.0.2.1/"})
	if want := "http://s3.example.test/ https://s3.example.test/ http://192.0.2.1/ "; o.Text != want {
		t.Errorf("through the proxy: %s", o.Text)
	}
}

// inChild runs child in an environment of these variables only.
func inChild(t *testing.T, env map[string]string) outcome {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var o outcome
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return o
}

// serve runs a server until the test ends and returns its URL.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

// web answers as a web server does.
func web(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Server", "nginx/1.22.1")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<!DOCTYPE html><html><body><h1>%d</h1></body></html>", status)
	}
}

func refuse(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// deaf returns an address of this machine at which nothing listens, nor will until the test
// ends: a socket has it.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", name.(*unix.SockaddrInet4).Port)
}

// Each cause is told as what it is, with what to do about it, and what cannot help
// is not tried.
func TestCauses(t *testing.T) {
	noKeys := map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
	const keys = "\naws_access_key_id = AKID\naws_secret_access_key = SECRET\n"
	for _, tt := range []struct {
		name   string
		env    map[string]string
		config string // of ~/.aws/config
		signIn string // what aws sso login left, if anything
		again  int
		want   []string
		not    string // what must not be said
	}{
		{name: "fine", env: map[string]string{"AWS_ENDPOINT_URL": serve(t, func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
		})}},
		{name: "proxy refuses", env: map[string]string{"AWS_ENDPOINT_URL": "https://s3.example.test", "HTTPS_PROXY": serve(t, refuse(403))},
			want: []string{"the proxy http://127.0.0.1:", "answers 403 Forbidden", "NO_PROXY"}},
		{name: "proxy wants a password", env: map[string]string{"AWS_ENDPOINT_URL": "https://s3.example.test", "HTTPS_PROXY": serve(t, refuse(407))},
			want: []string{"answers 407 Proxy Authentication Required", "http://USER:PASSWORD@HOST:PORT"}},
		{name: "proxy cannot", env: map[string]string{"AWS_ENDPOINT_URL": "https://s3.example.test", "HTTPS_PROXY": serve(t, refuse(502))}, again: 2,
			want: []string{"answers 502 Bad Gateway", "can the proxy reach it"}},
		{name: "proxy is down", env: map[string]string{"AWS_ENDPOINT_URL": "https://s3.example.test", "HTTPS_PROXY": "http://u:sesame@" + deaf(t)}, again: 2,
			want: []string{"no connection to the proxy: connection refused", "HTTPS_PROXY"}, not: "sesame"},
		{name: "proxy is down, plain HTTP", env: map[string]string{"AWS_ENDPOINT_URL": "http://s3.example.test", "HTTP_PROXY": "http://" + deaf(t)}, again: 2,
			want: []string{"no connection to the proxy: connection refused"}},
		{name: "https to plain http", env: map[string]string{"AWS_ENDPOINT_URL": "https" + strings.TrimPrefix(serve(t, refuse(200)), "http")},
			want: []string{"the server speaks plain HTTP", "http://"}},
		{name: "http to a port of https", env: map[string]string{"AWS_ENDPOINT_URL": serve(t, func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "Client sent an HTTP request to an HTTPS server.", http.StatusBadRequest)
		})},
			want: []string{"400 Bad Request with a page", "https:// only"}},
		{name: "newline in the key", env: map[string]string{"AWS_ACCESS_KEY_ID": "AKID\n"},
			want: []string{"the access key ID has a space, a newline"}, not: "AKID"},
		{name: "newline in the secret", env: map[string]string{"AWS_SECRET_ACCESS_KEY": "sesame\r"},
			want: []string{"the secret access key has a space, a newline"}, not: "sesame"},
		{name: "space in the region", env: map[string]string{"AWS_REGION": "eu-west-1 "},
			want: []string{`region "eu-west-1 ": is no name of a region`, "AWS_REGION"}},
		{name: "no CA file", env: map[string]string{"AWS_CA_BUNDLE": "/nonexistent/ca.pem"},
			want: []string{"open /nonexistent/ca.pem: no such file or directory", "AWS_CA_BUNDLE"}, not: "credentials"},
		{name: "no certificate in the CA file", env: map[string]string{"AWS_CA_BUNDLE": "/etc/passwd"},
			want: []string{"open /etc/passwd: has no certificate", "AWS_CA_BUNDLE"}, not: "credentials"},
		{name: "attempts are no number", env: map[string]string{"AWS_MAX_ATTEMPTS": "abc"},
			want: []string{"configure AWS: ", "AWS_MAX_ATTEMPTS=abc", "AWS_ variables"}, not: "credentials"},
		{name: "program fails", env: noKeys, config: "[default]\ncredential_process = /bin/sh -c 'echo sesame; echo sesame >&2; exit 3'\n",
			want: []string{"credential_process failed: exit status 3", "by hand"}, not: "sesame"},
		{name: "program is not there", env: noKeys, config: "[default]\ncredential_process = /nonexistent/program\n",
			want: []string{"credential_process failed: exit status 127", "by hand"}},
		{name: "program prints no JSON", env: noKeys, config: "[default]\ncredential_process = /bin/echo sesame\n",
			want: []string{"credential_process printed no credentials", "JSON"}, not: "sesame"},
		{name: "program prints half", env: noKeys, config: "[default]\ncredential_process = /bin/echo '{\"Version\":1,\"SecretAccessKey\":\"sesame\"}'\n",
			want: []string{"credential_process printed no credentials", "JSON"}, not: "sesame"},
		{name: "role with a code", env: noKeys, config: "[default]\nrole_arn = arn:aws:iam::1:role/r\nmfa_serial = arn:aws:iam::1:mfa/m\nsource_profile = k\n[profile k]" + keys,
			want: []string{"asks for a code (MFA)", "get-session-token"}},
		{name: "roles in a circle", env: noKeys, config: "[default]\nrole_arn = arn:aws:iam::1:role/a\nsource_profile = b\n[profile b]\nrole_arn = arn:aws:iam::1:role/b\nsource_profile = default\n",
			want: []string{"the role arn:aws:iam::1:role/", "no keys to begin with", "circle"}},
		{name: "never signed in", env: noKeys, config: "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = us-east-1\nsso_start_url = https://sso.example.test\n",
			want: []string{"nobody has signed in (SSO)", "aws sso login"}},
		{name: "never signed in, older form", env: noKeys, config: "[default]\nsso_region = us-east-1\nsso_start_url = https://sso.example.test\nsso_account_id = 1\nsso_role_name = r\n",
			want: []string{"nobody has signed in (SSO)", "aws sso login"}},
		{name: "signed in long ago", env: noKeys, config: "[default]\nsso_region = us-east-1\nsso_start_url = https://sso.example.test\nsso_account_id = 1\nsso_role_name = r\n",
			signIn: `{"accessToken":"sesame","expiresAt":"2020-01-01T00:00:00Z"}`, want: []string{"the sign-in has run out (SSO)", "aws sso login"}, not: "sesame"},
		{name: "XML under the name of text", env: map[string]string{"AWS_ENDPOINT_URL": serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>")
		})},
			want: []string{"AccessDenied: no", "allow s3:ListBucket"}},
		{name: "a web page", env: map[string]string{"AWS_ENDPOINT_URL": serve(t, web(200))},
			want: []string{"200 OK with a page for people", "nginx/1.22.1", "look at the endpoint"}},
		{name: "page 404", env: map[string]string{"AWS_ENDPOINT_URL": serve(t, web(404))},
			want: []string{"404 Not Found with a page for people", "look at the endpoint"}},
		{name: "page 403", env: map[string]string{"AWS_ENDPOINT_URL": serve(t, web(403))},
			want: []string{"403 Forbidden with a page for people", "firewall"}},
		{name: "page 413", env: map[string]string{"AWS_ENDPOINT_URL": serve(t, web(413))},
			want: []string{"413 Request Entity Too Large with a page", "client_max_body_size"}},
		{name: "page 502", env: map[string]string{"AWS_ENDPOINT_URL": serve(t, web(502))}, again: 2,
			want: []string{"502 Bad Gateway with a page for people", "try again later"}},
		{name: "sudo", env: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_REGION": "", "AWS_EC2_METADATA_DISABLED": "", "SUDO_USER": "ada",
			"AWS_CONFIG_FILE": "", "AWS_SHARED_CREDENTIALS_FILE": ""}, config: "[default]\nregion = x\nec2_metadata_service_endpoint = http://" + deaf(t) + "\n",
			want: []string{"no credentials found", "sudo does not pass on", "ada", "--preserve-env"}},
		{name: "sudo with variables", env: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "SUDO_USER": "ada"},
			want: []string{"no credentials found", "set AWS_ACCESS_KEY_ID"}, not: "sudo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			env := map[string]string{"HOME": home, "PATH": os.Getenv("PATH"), "AWSAPI_CHILD": "list",
				"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET", "AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"}
			for name, value := range tt.env {
				env[name] = value
			}
			if err := os.Mkdir(filepath.Join(home, ".aws"), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(home, ".aws/config"), []byte(tt.config), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.signIn != "" {
				sum := sha1.Sum([]byte("https://sso.example.test")) // the name that the SDK expects
				if err := os.MkdirAll(filepath.Join(home, ".aws/sso/cache"), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(home, ".aws/sso/cache", hex.EncodeToString(sum[:])+".json"), []byte(tt.signIn), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			o := inChild(t, env)
			if o.Again != tt.again || (o.Text == "") != (tt.want == nil) {
				t.Errorf("tried again %d times, want %d: %q", o.Again, tt.again, o.Text)
			}
			for _, w := range tt.want {
				if !strings.Contains(o.Text, w) {
					t.Errorf("%q does not say %q", o.Text, w)
				}
			}
			if tt.not != "" && strings.Contains(o.Text, tt.not) {
				t.Errorf("%q says %q", o.Text, tt.not)
			}
		})
	}
}
