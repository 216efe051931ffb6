package s3_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
	"purebundle/chunk/s3"
)

// sums counts what the requests of puts and of gets had to say about checksums.
type sums struct{ sha, md5, mode, bad int }

func (s *sums) count(r *http.Request) {
	if r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") == "" {
		if r.Header.Get("X-Amz-Checksum-Sha256") != "" {
			s.sha++
		}
		if sum := r.Header.Get("Content-Md5"); sum != "" {
			s.md5++
			if raw, err := base64.StdEncoding.DecodeString(sum); err != nil || len(hex.EncodeToString(raw)) != 32 {
				s.bad++
			}
		}
	}
	if r.Header.Get("X-Amz-Checksum-Mode") != "" {
		s.mode++
	}
}

// A server that refuses checksums is sent Content-MD5, which it compares, and what is
// fetched is compared with the manifest; that is said once. Its conditions are kept.
func TestNoChecksums(t *testing.T) {
	for _, status := range []int{400, 501} {
		var seen sums
		conditions := 0
		at, srv, warned := unable(t, func(r *http.Request) int {
			if r.Header.Get("X-Amz-Checksum-Sha256") != "" || r.Header.Get("X-Amz-Checksum-Mode") != "" {
				return status
			}
			if r.Header.Get("If-None-Match") != "" {
				conditions++
			}
			seen.count(r)
			return 0
		})
		s := at()
		build(t, s, "ab00", chunk.Options{Workers: 1})
		wantBundle(t, srv, s, "ab00")
		readBack(t, s, "ab00")
		if len(*warned) != 1 || !strings.Contains((*warned)[0], "Content-MD5") {
			t.Errorf("%d: warned %q", status, *warned)
		}
		if seen.md5 < 5 || seen.bad != 0 || conditions < 5 {
			t.Errorf("%d: %+v, %d conditions", status, seen, conditions)
		}
	}
}

// A server that refuses checksums and conditions is sent neither.
func TestNeitherSumsNorConditions(t *testing.T) {
	at, srv, _ := unable(t, func(r *http.Request) int {
		for _, head := range []string{"X-Amz-Checksum-Sha256", "X-Amz-Checksum-Mode", "If-None-Match", "If-Match"} {
			if r.Header.Get(head) != "" {
				return 501
			}
		}
		return 0
	})
	s := at()
	build(t, s, "a0b0", chunk.Options{})
	wantBundle(t, srv, s, "a0b0")
}

// What the environment, or a profile, says about checksums is heeded, and no warning.
func TestChecksumsWhenRequired(t *testing.T) {
	for _, where := range []string{"environment", "profile", "neither"} {
		var seen sums
		at, srv, warned := unable(t, func(r *http.Request) int { seen.count(r); return 0 })
		switch where {
		case "environment":
			t.Setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
			t.Setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "WHEN_REQUIRED")
		case "profile":
			file := filepath.Join(t.TempDir(), "config")
			must(t, os.WriteFile(file, []byte("[default]\nrequest_checksum_calculation = when_required\nresponse_checksum_validation = when_required\n"), 0o600))
			t.Setenv("AWS_CONFIG_FILE", file)
			os.Unsetenv("AWS_REQUEST_CHECKSUM_CALCULATION")
			os.Unsetenv("AWS_RESPONSE_CHECKSUM_VALIDATION")
		default:
			t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
		}
		s := at()
		build(t, s, "ab0", chunk.Options{})
		wantBundle(t, srv, s, "ab0")
		if plain := seen.sha == 0 && seen.md5 > 4 && seen.mode == 0; plain != (where != "neither") || len(*warned) > 0 {
			t.Errorf("%s: %+v, warned %q", where, seen, *warned)
		}
	}
}

// If no SHA-256 is kept, parts are compared by an ETag that is an MD5; if it is
// none they are sent again, which is said once.
func TestUploadByMD5(t *testing.T) {
	for _, md5 := range []bool{true, false} {
		encrypted := false
		at, srv, warned := unable(t, func(r *http.Request) int {
			if r.Header.Get("X-Amz-Checksum-Sha256") != "" || r.Header.Get("X-Amz-Checksum-Mode") != "" {
				return 501
			}
			if encrypted && r.Method == http.MethodHead {
				return kms
			}
			return 0
		})
		im := image("abcd00ef")
		b := onDisk(t, im)
		s := at()
		_, err := s.Upload(t.Context(), b, s3.UploadOptions{})
		must(t, err)
		must(t, s.Remove(t.Context(), []string{"p.manifest.json"}))
		must(t, s.Put(t.Context(), "p.part.001", image("x").part(0)))
		must(t, s.Put(t.Context(), "p.part.004", image("x").part(0)))
		s, encrypted = at(), !md5
		st, err := s.Upload(t.Context(), b, s3.UploadOptions{})
		must(t, err)
		wantBundle(t, srv, s, im)
		said := strings.Contains(strings.Join(*warned, " "), "cannot be compared")
		if md5 && (st.Kept != 6 || said) || !md5 && (st.Kept != 0 || !said || len(*warned) != 2) {
			t.Errorf("MD5 %v: %+v, warned %q", md5, st, *warned)
		}
	}
}
