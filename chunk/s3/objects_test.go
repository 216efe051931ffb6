package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

func TestObjects(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	names := []string{"a", "b+c", "d e", "f&g", "h%2Fi", "j~", "ü", "z=1"}
	for _, name := range names {
		must(t, s.Put(t.Context(), name, []byte("content of "+name)))
	}
	must(t, s.Put(t.Context(), "empty", nil))
	must(t, s.In("dir/sub/below").Put(t.Context(), "deep", []byte("x")))
	must(t, s.In("dir/sub/other").Put(t.Context(), "deep", []byte("x")))
	must(t, s.In("dir/subway").Put(t.Context(), "beside", []byte("x")))
	must(t, s.In("").Put(t.Context(), "top", []byte("x")))
	want := append(slices.Clone(names), "empty")
	slices.Sort(want)
	wantNames(t, s, want...)
	for _, name := range names {
		p, err := s.Get(t.Context(), name, 100)
		if string(p) != "content of "+name || err != nil {
			t.Errorf("%s: %q, %v", name, p, err)
		}
	}
	if p, err := s.Get(t.Context(), "empty", 100); len(p) != 0 || err != nil {
		t.Errorf("empty: %q, %v", p, err)
	}
	if p, err := s.Get(t.Context(), "a", 12); string(p) != "content of a" || err != nil {
		t.Errorf("just as long: %q, %v", p, err)
	}
	_, err := s.Get(t.Context(), "a", 11)
	wantError(t, err, "is longer than 11 bytes")
	_, err = s.Get(t.Context(), "nosuch", 100)
	_, err2 := s.Head(t.Context(), "nosuch")
	if !errors.Is(err, fs.ErrNotExist) || !errors.Is(err2, fs.ErrNotExist) {
		t.Errorf("missing: %v, %v", err, err2)
	}
	wantDirs(t, s, "below", "other")
	wantDirs(t, s.In("dir"), "sub", "subway")
	wantDirs(t, s.In(""), "dir")
	wantNames(t, s.In(""), "top")
	must(t, s.Remove(t.Context(), []string{"a", "nosuch", "b+c", "d e"}))
	must(t, s.Remove(t.Context(), []string{"nosuch"}))
	must(t, s.Remove(t.Context(), nil))
	wantNames(t, s, want[slices.Index(want, "empty"):]...)
}

func wantDirs(t *testing.T, s *s3.Store, want ...string) {
	t.Helper()
	have, err := s.Dirs(t.Context())
	if err != nil || !slices.Equal(have, want) {
		t.Errorf("directories of %s: %q, %v", s.Location(), have, err)
	}
}

// More objects than one answer has, or one DeleteObjects takes.
func TestManyObjects(t *testing.T) {
	if testing.Short() {
		t.Skip("has nothing of its own for the race detector")
	}
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	must(t, s.Put(t.Context(), "o0000", []byte("x")))
	var names []string
	for i := range 2100 {
		names = append(names, fmt.Sprintf("o%04d", i))
		must(t, s.Put(t.Context(), names[i], nil))
	}
	wantNames(t, s, names...)
	must(t, s.Remove(t.Context(), names[1:]))
	wantNames(t, s, "o0000")
}

// No name leaves the directory, wherever it comes from.
func TestTraversal(t *testing.T) {
	srv := s3test.Start(t)
	s := open(t, srv, s3.Options{})
	must(t, s.In("").Put(t.Context(), "secret", []byte("x")))
	for _, name := range []string{"", ".", "..", "../secret", "../../secret", "a/../../secret", "/secret", "a/b", "a\x00b", "a\nb", "a\xff", strings.Repeat("a", 1025)} {
		_, err := s.Get(t.Context(), name, 10)
		wantError(t, err, "the name ")
		_, err = s.Head(t.Context(), name)
		wantError(t, err, "the name ")
		wantError(t, s.Put(t.Context(), name, nil), "the name ")
		wantError(t, s.Remove(t.Context(), []string{"a", name}), "the name ")
	}
	if have := srv.Keys(t, s.Location().Bucket); !slices.Equal(have, []string{"secret"}) {
		t.Errorf("keys are %q", have)
	}
}

// A server that lists what it was not asked for is not believed.
func TestHostileList(t *testing.T) {
	for _, tt := range []struct{ name, list, want string }{
		{"outside", key("elsewhere/p.part.000"), "outside of the directory"},
		{"above", key("dir/../p.part.000"), ""}, // a name with a slash: skipped
		{"escaped", "<EncodingType>url</EncodingType>" + key("dir%2F..%2Fp"), ""},
		{"bad escape", "<EncodingType>url</EncodingType>" + key("dir/%zz"), "makes no sense"},
		{"endless", "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>" + key("dir/a"), "does not go on"},
		{"endless, a token each", "<IsTruncated>true</IsTruncated><NextContinuationToken>NEXT</NextContinuationToken>" + key("dir/a"), "does not go on"},
		{"endless, nothing", "<IsTruncated>true</IsTruncated><NextContinuationToken>NEXT</NextContinuationToken>", "does not go on"},
		{"endless, directories", "<IsTruncated>true</IsTruncated><NextContinuationToken>NEXT</NextContinuationToken>" + strings.Repeat("<CommonPrefixes><Prefix>dir/NEXT/</Prefix></CommonPrefixes>", 1<<17), "no end"},
		{"no token", "<IsTruncated>true</IsTruncated>" + key("dir/a"), "does not go on"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var requests atomic.Int64
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				list := strings.ReplaceAll(tt.list, "NEXT", fmt.Sprint(requests.Add(1)))
				if r.URL.Query().Get("continuation-token") != "" {
					list = strings.ReplaceAll(list, "dir/a", "dir/b")
				}
				fmt.Fprintf(w, "<ListBucketResult>%s</ListBucketResult>", list)
			}))
			defer web.Close()
			fake(t)
			objects, err := openAt(t, "bucket", "dir", s3.Options{Options: awsapi.Options{Endpoint: web.URL}}).List(t.Context())
			if tt.want != "" {
				wantError(t, err, tt.want)
			} else if err != nil || len(objects) != 0 {
				t.Errorf("%+v, %v", objects, err)
			}
		})
	}
}

func key(k string) string {
	return "<Contents><Key>" + k + "</Key><Size>1</Size></Contents>"
}

// fake sets an environment with credentials that no server checks.
func fake(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK", "AWS_SESSION_TOKEN": "",
		"AWS_PROFILE": "", "AWS_REGION": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "", "AWS_EC2_METADATA_DISABLED": "true", "HOME": t.TempDir()} {
		t.Setenv(name, value)
	}
}

// Lists of servers that do not know of order.
func TestUnorderedList(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<ListBucketResult>%s</ListBucketResult>", key("dir/b")+key("dir/a")+key("dir/c")+key("dir/a"))
	}))
	defer web.Close()
	fake(t)
	wantNames(t, openAt(t, "bucket", "dir", s3.Options{Options: awsapi.Options{Endpoint: web.URL}}), "a", "b", "c")
}

// What is asked for every object is said in every request that makes one.
func TestOptionsOfObjects(t *testing.T) {
	var mu sync.Mutex
	var heads []http.Header
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		heads = append(heads, r.Header)
		mu.Unlock()
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			fmt.Fprint(w, `<CopyObjectResult><ETag>"e"</ETag></CopyObjectResult>`)
			return
		}
		if r.Method == http.MethodGet {
			fmt.Fprint(w, "<ListBucketResult></ListBucketResult>")
		}
	}))
	defer web.Close()
	fake(t)
	s := openAt(t, "bucket", "dir", s3.Options{Options: awsapi.Options{Endpoint: web.URL}, Workers: 1,
		ACL: "aws-exec-read", StorageClass: "STANDARD_IA", KMSKey: "key", Tags: map[string]string{"b": "2 &", "a": "1"}})
	w, err := s.Create(t.Context(), chunk.Options{Prefix: "p"})
	must(t, err)
	must(t, w.Preflight(3, 0))
	must(t, w.Write(t.Context(), image("a00"), []int{0}, nil))
	must(t, w.WriteZero(t.Context(), []int{1, 2}, nil))
	made := heads[1:]
	if len(made) != 3 || !strings.HasPrefix(made[2].Get("X-Amz-Copy-Source"), "bucket/dir/p.part.00") {
		t.Fatalf("%d requests: %v", len(made), made)
	}
	for _, h := range made {
		for name, want := range map[string]string{"X-Amz-Acl": "aws-exec-read", "X-Amz-Storage-Class": "STANDARD_IA",
			"X-Amz-Server-Side-Encryption": "aws:kms", "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id": "key", "X-Amz-Tagging": "a=1&b=2+%26"} {
			if have := h.Get(name); have != want {
				t.Errorf("%s is %q", name, have)
			}
		}
		sum := h.Get("X-Amz-Checksum-Sha256")
		if trailer := h.Get("X-Amz-Trailer"); trailer != "" || (sum == "") != (h.Get("X-Amz-Copy-Source") != "") {
			t.Errorf("checksum %q, trailer %q", sum, trailer)
		}
		if body := h.Get("X-Amz-Content-Sha256"); len(body) != 64 {
			t.Errorf("the body is signed as %q", body)
		}
	}
}

func TestMakeBucket(t *testing.T) {
	srv := s3test.Start(t)
	srv.Setenv(t)
	s := openAt(t, "made-by-test", "dir", s3.Options{})
	wantError(t, s.Put(t.Context(), "x", nil), "NoSuchBucket")
	must(t, s.MakeBucket(t.Context()))
	must(t, s.MakeBucket(t.Context()))
	must(t, s.Put(t.Context(), "x", []byte("x")))
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	wantError(t, openAt(t, "made-by-test", "dir", s3.Options{}).Put(t.Context(), "x", nil), "SignatureDoesNotMatch", "secret access key")
	t.Setenv("AWS_ACCESS_KEY_ID", "wrong")
	wantError(t, openAt(t, "made-by-test", "dir", s3.Options{}).Put(t.Context(), "x", nil), "access key", "AWS_ACCESS_KEY_ID")
}

// A limit slows down, and changes nothing else.
func TestLimit(t *testing.T) {
	srv := s3test.Start(t)
	for _, limit := range []int64{100, 64 << 10, 1 << 30} {
		s := open(t, srv, s3.Options{Limit: limit})
		p := bytes.Repeat([]byte("purebundle"), 10+int(min(limit, 64<<10))/20)
		must(t, s.Put(t.Context(), "x", p))
		have, err := s.Get(t.Context(), "x", int64(len(p)))
		if err != nil || !bytes.Equal(have, p) {
			t.Errorf("limit %d: %d bytes, %v", limit, len(have), err)
		}
	}
}
