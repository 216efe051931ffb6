package s3_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/chunk/s3/s3test"
)

// image is an image that is told by one letter a part: '0' is all zero, equal
// letters are equal parts.
type image string

func (im image) part(i int) []byte {
	p := make([]byte, chunk.Size)
	if im[i] != '0' {
		r := rand.New(rand.NewPCG(uint64(im[i]), 1))
		for at := 0; at < len(p); at += 4096 { // incompressible enough, and quick
			copy(p[at:], fmt.Appendf(nil, "%c%d", im[i], r.Uint64()))
		}
	}
	return p
}

func (im image) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		at := off + int64(n)
		if at >= im.size() {
			return n, io.EOF
		}
		n += copy(p[n:], im.part(int(at / chunk.Size))[at%chunk.Size:])
	}
	return n, nil
}

func (im image) size() int64 { return int64(len(im)) * chunk.Size }

// split returns the parts to write, and those that are known to be zero.
func (im image) split() (data, zero []int) {
	for i, c := range im {
		if c == '0' {
			zero = append(zero, i)
		} else {
			data = append(data, i)
		}
	}
	return data, zero
}

func testManifest() *chunk.Manifest {
	return &chunk.Manifest{Tool: "purebundle test", Created: time.Unix(1700000000, 5), Source: "/",
		Image: chunk.Image{Type: "ext4", UUID: "01234567-89ab-4def-8123-456789abcdef"}}
}

// open opens a Store of a new bucket.
func open(t testing.TB, srv *s3test.Server, opt s3.Options) *s3.Store {
	t.Helper()
	srv.Setenv(t)
	return openAt(t, srv.Bucket(t), "dir/sub", opt)
}

func openAt(t testing.TB, bucket, dir string, opt s3.Options) *s3.Store {
	t.Helper()
	s, err := s3.Open(t.Context(), s3.Location{Bucket: bucket, Dir: dir}, opt)
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// makeParts makes all parts of a bundle.
func makeParts(ctx context.Context, w *chunk.Writer, im image) error {
	data, zero := im.split()
	if err := w.Preflight(len(im), int64(len(data))*chunk.Size); err != nil {
		return err
	}
	if err := w.Write(ctx, im, data, nil); err != nil {
		return err
	}
	return w.WriteZero(ctx, zero, nil)
}

// build makes a bundle p.
func build(t testing.TB, s *s3.Store, im image, opt chunk.Options) chunk.Stats {
	t.Helper()
	opt.Prefix = "p"
	w, err := s.Create(t.Context(), opt)
	must(t, err)
	defer w.Abort()
	must(t, makeParts(t.Context(), w, im))
	must(t, w.Commit(t.Context(), testManifest()))
	return w.Stats()
}

// wantBundle checks that bundle p is whole and is im, and that there is nothing
// else, with sha256sum as the judge of the parts.
func wantBundle(t testing.TB, srv *s3test.Server, s *s3.Store, im image) {
	t.Helper()
	b, err := s.Load(t.Context(), "")
	must(t, err)
	defer b.Close()
	must(t, b.Verify(t.Context(), 0, nil))
	want := []string{"p.manifest.json"}
	for i := range im {
		want = append(want, fmt.Sprintf("p.part.%03d", i))
	}
	wantNames(t, s, append(want, "p.sha256")...)
	cmd := exec.Command("sha256sum", "--quiet", "-c", "p.sha256")
	cmd.Dir = srv.Path(s.Location().Bucket, s.Location().Dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sha256sum: %v\n%s", err, out)
	}
	for i := range im {
		if have := srv.Read(t, s.Location().Bucket, s.Location().Dir+"/"+b.Manifest().Parts[i].Name); !bytes.Equal(have, im.part(i)) {
			t.Errorf("part %d is another", i)
		}
	}
}

// wantNames checks which objects are in the directory.
func wantNames(t testing.TB, s *s3.Store, want ...string) {
	t.Helper()
	objects, err := s.List(t.Context())
	must(t, err)
	var have []string
	for _, o := range objects {
		have = append(have, o.Name)
	}
	if !slices.Equal(have, want) {
		t.Errorf("objects are\n%q, want\n%q", have, want)
	}
}

// wantError checks that an error says all of these.
func wantError(t testing.TB, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %q", want)
	}
	text := err.Error()
	if e, ok := errors.AsType[*chunk.Error](err); ok {
		text += " | " + e.Hint
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("error %q does not say %q", text, w)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	srv := s3test.Start(t)
	for _, tt := range []struct {
		name string
		im   image
	}{
		{"one part", "a"},
		{"one zero part", "0"},
		{"zeros at the ends", "0ab0"},
		{"many zeros", "a000000000b"},
		{"equal parts", "abab"},
		{"more than workers", "abcdefghijkl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, srv, s3.Options{})
			st := build(t, s, tt.im, chunk.Options{})
			wantBundle(t, srv, s, tt.im)
			zeros := strings.Count(string(tt.im), "0")
			sent := int64(len(tt.im)-zeros+min(zeros, 1)) * chunk.Size
			if st.Parts != len(tt.im) || st.ZeroParts != zeros || st.Bytes != sent {
				t.Errorf("stats are %+v; want %d bytes", st, sent)
			}
			checkSums(t, srv, s)
			readBack(t, s, tt.im)
		})
	}
}

// checkSums asks S3 for the checksum of every object of the directory, with another client. A server
// that forgets those of copies must have those of the others.
func checkSums(t *testing.T, srv *s3test.Server, s *s3.Store) {
	t.Helper()
	client, compared := srv.Client(), 0
	for _, key := range srv.Keys(t, s.Location().Bucket) {
		name, ok := strings.CutPrefix(key, s.Location().Dir+"/")
		if !ok {
			continue
		}
		out, err := client.HeadObject(t.Context(), &sdk.HeadObjectInput{Bucket: aws.String(s.Location().Bucket), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		must(t, err)
		if out.ChecksumSHA256 == nil && srv.Make.CopyForgets {
			continue
		}
		compared++
		if out.ChecksumSHA256 == nil || out.ChecksumCRC32 != nil || out.ChecksumCRC64NVME != nil {
			t.Errorf("%s: no SHA-256, or another checksum: %+v", key, out)
		}
		o, err := s.Head(t.Context(), name)
		must(t, err)
		sum := sha256.Sum256(srv.Read(t, s.Location().Bucket, key))
		if o.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: SHA-256 is %q", key, o.SHA256)
		}
	}
	if compared == 0 {
		t.Error("no object has a checksum")
	}
}

// readBack reads the image in every way there is.
func readBack(t *testing.T, s *s3.Store, im image) {
	t.Helper()
	b, err := s.Load(t.Context(), "p")
	must(t, err)
	defer b.Close()
	want := make([]byte, im.size())
	if _, err := im.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct{ off, n int64 }{{0, 1}, {chunk.Size - 1, 1}, {im.size() - 1, 1}, {chunk.Size - 3, 7}, {0, im.size()}, {5, im.size() - 5}} {
		r.n = min(r.n, im.size()-r.off)
		have := make([]byte, r.n)
		if n, err := b.ReadAt(have, r.off); err != nil || int64(n) != r.n || !bytes.Equal(have, want[r.off:r.off+r.n]) {
			t.Errorf("ReadAt %d at %d: %d bytes, %v", r.n, r.off, n, err)
		}
	}
	dst := filepath.Join(t.TempDir(), "image")
	must(t, b.Join(t.Context(), dst, chunk.JoinOptions{}))
	if have, err := os.ReadFile(dst); err != nil || !bytes.Equal(have, want) {
		t.Errorf("joined, it is another (%v)", err)
	}
	if want := "s3://" + s.Location().Bucket + "/dir/sub/p.manifest.json"; b.Path() != want {
		t.Errorf("path is %s", b.Path())
	}
}
