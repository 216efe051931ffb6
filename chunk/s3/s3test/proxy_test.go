package s3test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A request of each kind through each fault: what the client sees, with one
// attempt, and what became of the object on the server.
func TestFaults(t *testing.T) {
	server := Start(t)
	bucket := server.Bucket(t)
	body := bytes.Repeat([]byte("0123456789abcdef"), 3<<16)
	const reset = "connection|broken pipe|EOF" // as who notices it first says
	for _, c := range []struct {
		kind     Kind
		put, get string // a regular expression for the error; "" for no error
		stored   bool   // by the put
	}{
		{None, "", "", true},
		{InternalError, "InternalError", "InternalError", false},
		{SlowDown, "SlowDown", "SlowDown", false},
		{LateError, "InternalError", "InternalError", true},
		{ResetRequest, reset, reset, false},
		{ResetResponse, reset, reset, true},
		{StallRequest, "canceled", "canceled", false},
		{StallResponse, "canceled", "canceled", true},
		{Truncate, "", "unexpected EOF", true},
		{Shorten, "", "checksum did not match", true},
		{CorruptRequest, server.Make.Mismatch, "", false},
		{CorruptObject, "", "checksum did not match", true},
		{SlowStart, "", "", true},
	} {
		t.Run(c.kind.String(), func(t *testing.T) {
			t.Parallel()
			proxy := server.Proxy(t, Faults{Rate: 1, Kinds: []Kind{c.kind}})
			if c.kind == None {
				proxy.Set(Faults{})
			}
			stalls := c.kind == StallRequest || c.kind == StallResponse
			until := func(faults int) context.Context { // a stall ends when it has been seen
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // on a busy machine
				t.Cleanup(cancel)
				go func() {
					for stalls && proxy.Count(c.kind) < faults && ctx.Err() == nil {
						time.Sleep(time.Millisecond)
					}
					if stalls {
						time.Sleep(100 * time.Millisecond)
						cancel()
					}
				}()
				return ctx
			}
			key := strings.ReplaceAll(c.kind.String(), " ", "-")
			check := func(what string, err error, want string) {
				t.Helper()
				if want == "" && err != nil || want != "" && (err == nil || !regexp.MustCompile(want).MatchString(err.Error())) {
					t.Errorf("%s: error %v, want %q", what, err, want)
				}
			}
			check("put", putOnce(until(1), proxy, bucket, key, body), c.put)
			if stored := slices.Contains(server.Keys(t, bucket), key); stored != c.stored {
				t.Errorf("stored: %v", stored)
			}
			if err := putOnce(t.Context(), server, bucket, key, body); err != nil {
				t.Fatal(err)
			}
			got, err := getOnce(until(2), proxy, bucket, key)
			check("get", err, c.get)
			if err == nil && !bytes.Equal(got, body) {
				t.Errorf("get: %d other bytes", len(got))
			}
			want := 2
			switch c.kind {
			case None:
				want = 0
			case Truncate, Shorten, CorruptRequest, CorruptObject:
				want = 1
			}
			if n := proxy.Count(c.kind); n != want {
				t.Errorf("counted %d times, want %d", n, want)
			}
		})
	}
}

// clients is a Server or a Proxy.
type clients interface{ Client() *s3.Client }

func once(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

func putOnce(ctx context.Context, c clients, bucket, key string, body []byte) error {
	sum := sha256.Sum256(body)
	_, err := c.Client().PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body),
		ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum[:]))}, once)
	return err
}

func getOnce(ctx context.Context, c clients, bucket, key string) ([]byte, error) {
	got, err := c.Client().GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled}, once)
	if err != nil {
		return nil, err
	}
	defer got.Body.Close()
	return io.ReadAll(got.Body)
}

// S3 may answer a CopyObject with 200 and an error in the body.
func TestCopyError(t *testing.T) {
	server := Start(t)
	bucket := server.Bucket(t)
	if err := putOnce(t.Context(), server, bucket, "one", []byte("1")); err != nil {
		t.Fatal(err)
	}
	proxy := server.Proxy(t, Faults{Rate: 1, Kinds: []Kind{CopyError}})
	_, err := proxy.Client().CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &bucket, Key: aws.String("two"), CopySource: aws.String(bucket + "/one")}, once)
	if err == nil || !strings.Contains(err.Error(), "InternalError") {
		t.Errorf("error %v", err)
	}
	if keys := server.Keys(t, bucket); !slices.Equal(keys, []string{"one"}) || proxy.Count(CopyError) != 1 {
		t.Errorf("keys %q, counted %d", keys, proxy.Count(CopyError))
	}
}

// S3 answers a DeleteObjects with 200 whatever became of the objects.
func TestDeleteError(t *testing.T) {
	server := Start(t)
	bucket := server.Bucket(t)
	proxy := server.Proxy(t, Faults{Rate: 1, Kinds: []Kind{DeleteError}})
	ids := []types.ObjectIdentifier{{Key: aws.String("dir/one&<")}, {Key: aws.String("two")}}
	out, err := proxy.Client().DeleteObjects(t.Context(), &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: ids}}, once)
	if err != nil || len(out.Deleted) != 0 || len(out.Errors) != 2 || *out.Errors[0].Key != "dir/one&<" || *out.Errors[1].Code != "InternalError" {
		t.Errorf("answer %+v, error %v", out, err)
	}
}

// The same seed chooses the same faults, another seed others; every kind comes.
func TestChoice(t *testing.T) {
	get, _ := http.NewRequest(http.MethodGet, "http://s3/bucket/key?x-id=GetObject", nil)
	put, _ := http.NewRequest(http.MethodPut, "http://s3/bucket/key", strings.NewReader("body"))
	list, _ := http.NewRequest(http.MethodGet, "http://s3/bucket?list-type=2", nil)
	copied, _ := http.NewRequest(http.MethodPut, "http://s3/bucket/key", nil)
	copied.Header.Set("x-amz-copy-source", "bucket/other")
	remove, _ := http.NewRequest(http.MethodPost, "http://s3/bucket?delete=", strings.NewReader("body"))
	requests := []*http.Request{get, put, list, copied, remove}
	chosen := func(seed uint64) (all []Kind) {
		f := Faults{Seed: seed, Rate: 0.5}
		var counts [kinds]int
		for n := range 200 {
			k := f.choose(n, requests[n%len(requests)], &s3API, &counts)
			counts[k]++
			all = append(all, k)
		}
		return all
	}
	one := chosen(1)
	if !slices.Equal(one, chosen(1)) || slices.Equal(one, chosen(2)) {
		t.Error("the choice is not that of the seed")
	}
	for _, k := range append(Kinds(), None) {
		if !slices.Contains(one, k) {
			t.Errorf("never chosen: %v", k)
		}
	}
	for n, k := range one {
		r := requests[n%len(requests)]
		if k == CorruptObject && r != get || k == CorruptRequest && r != put && r != remove || k == DeleteError && r != remove || k == CopyError && r != copied {
			t.Errorf("request %d: %v cannot happen to it", n, k)
		}
	}
}

// A streak ends where it must, so that a client with a few attempts succeeds.
func TestStreak(t *testing.T) {
	server := Start(t)
	bucket := server.Bucket(t)
	proxy := server.Proxy(t, Faults{Rate: 1, Kinds: []Kind{SlowDown}, Streak: 2})
	for n, fails := range []bool{true, true, false, true, true, false} {
		err := putOnce(t.Context(), proxy, bucket, "key", []byte("1"))
		if (err != nil) != fails {
			t.Errorf("request %d: %v", n, err)
		}
	}
	if proxy.Count(SlowDown) != 4 || proxy.Requests() != 6 {
		t.Errorf("%d faults in %d requests", proxy.Count(SlowDown), proxy.Requests())
	}
	proxy.Set(Faults{Rate: 1, Only: func(r *http.Request) bool { return r.Method == http.MethodDelete }})
	if err := putOnce(t.Context(), proxy, bucket, "key", []byte("1")); err != nil {
		t.Error(err)
	}
}
