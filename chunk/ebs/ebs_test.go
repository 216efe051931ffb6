package ebs_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ebs/ebstest"
	"purebundle/chunk/ec2/ami/amitest"
)

// connect returns a client of s.
func connect(t testing.TB, s *ebstest.Server, opt ebs.Options) *ebs.Client {
	t.Helper()
	s.Setenv(t)
	return client(t, opt)
}

func client(t testing.TB, opt ebs.Options) *ebs.Client {
	t.Helper()
	opt.Poll = time.Millisecond
	c, err := ebs.Connect(t.Context(), opt)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// disk returns a disk of so many parts: of each block of 512 KiB, what kind says is
// zero, or random.
func disk(seed uint64, parts int, zero func(block int) bool) []byte {
	b := make([]byte, parts*chunk.Size)
	rng := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	for i := 0; i < len(b)/ebs.BlockSize; i++ {
		if !zero(i) {
			_, _ = rng.Read(b[i*ebs.BlockSize : (i+1)*ebs.BlockSize])
		}
	}
	return b
}

// numbers returns 0 … n-1.
func numbers(n int) (list []int) {
	for i := range n {
		list = append(list, i)
	}
	return list
}

// write makes a snapshot of a disk and returns its id.
func write(t testing.TB, ctx context.Context, c *ebs.Client, b []byte, m ebs.Making) (string, *ebs.Writer, error) {
	t.Helper()
	w := c.Create(m)
	n := len(b) / chunk.Size
	err := w.Preflight(n, int64(len(b)))
	if err == nil {
		err = w.Write(ctx, bytes.NewReader(b), numbers(n), nil)
	}
	if err == nil {
		err = w.Commit(ctx, nil)
	}
	if err != nil {
		return "", w, errors.Join(err, w.Abort())
	}
	return w.ID(), w, nil
}

// begun begins a snapshot of so many parts, of which the first is there.
func begun(t *testing.T, c *ebs.Client, m ebs.Making, parts int) *ebs.Writer {
	t.Helper()
	w := c.Create(m)
	if err := w.Preflight(parts, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteZero(t.Context(), []int{0}, nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// same compares what the server assembled of a snapshot with what was written, block by
// block; what unused says is any. It returns how many blocks it has compared.
func same(t *testing.T, s *ebstest.Server, id string, want []byte, unused func(block int) bool) (n int) {
	t.Helper()
	have, err := os.ReadFile(s.File(t, id, int64(len(want))))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(want)/ebs.BlockSize; i++ {
		if unused != nil && unused(i) {
			continue
		}
		if !bytes.Equal(have[i*ebs.BlockSize:(i+1)*ebs.BlockSize], want[i*ebs.BlockSize:(i+1)*ebs.BlockSize]) {
			t.Fatalf("block %d is another", i)
		}
		n++
	}
	return n
}

// Blocks that are in use are put, zero or not, and no others: an encrypted volume has
// random bytes in their place.
func TestWrite(t *testing.T) {
	zero := func(i int) bool { return i%5 != 0 }
	unused := func(i int) bool { return i%5 == 1 || i%5 == 2 }
	for _, tt := range []struct {
		name    string
		encrypt bool
		unknown bool // InUse is not known
		blocks  int
	}{
		{"plain", false, false, 60 - 24},
		{"encrypted by default", true, false, 60 - 24},
		{"all are in use", true, true, 60},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ebstest.Start(t)
			s.Encrypt = tt.encrypt
			c := connect(t, s, ebs.Options{})
			b := disk(1, 3, zero)
			encrypted := !tt.encrypt
			m := ebs.Making{Description: "a disk", Tags: map[string]string{"Name": "web", "b": ""},
				InUse:   func(off, n int64) bool { return !unused(int(off/ebs.BlockSize)) && n == ebs.BlockSize },
				Started: func(_ string, is bool) { encrypted = is }}
			if tt.unknown {
				m.InUse = nil
			}
			id, w, err := write(t, t.Context(), c, b, m)
			if err != nil {
				t.Fatal(err)
			}
			if encrypted != tt.encrypt {
				t.Errorf("told that it is encrypted: %v", encrypted)
			}
			list := s.Snapshots()
			if len(list) != 1 || list[0].ID != id || list[0].State != "completed" || list[0].GiB != 1 || list[0].Description != "a disk" || list[0].Tags["Name"] != "web" {
				t.Errorf("snapshots %+v, want %s", list, id)
			}
			if n := list[0].Blocks; n != tt.blocks || n != w.Blocks() || n != s.Count("PutSnapshotBlock") {
				t.Errorf("%d blocks, %d by the writer, %d requests; want %d", n, w.Blocks(), s.Count("PutSnapshotBlock"), tt.blocks)
			}
			if tt.unknown {
				same(t, s, id, b, nil)
			} else if n := same(t, s, id, b, unused); n != 36 {
				t.Errorf("%d blocks compared", n)
			}
			if stats := w.Stats(); stats.Parts != 3 || stats.ZeroParts != 0 || stats.Bytes != int64(tt.blocks)*ebs.BlockSize {
				t.Errorf("stats %+v", stats)
			}
			if err := w.Abort(); err != nil || len(s.Snapshots()) != 1 {
				t.Errorf("after Commit, Abort gave %v", err)
			}
		})
	}
}

// A part may be made again; a block that was put and is zero now is put again. Zero parts
// have blocks that are in use.
func TestWriteAgain(t *testing.T) {
	s := ebstest.Start(t)
	s.Encrypt = true
	c := connect(t, s, ebs.Options{})
	first := disk(2, 2, func(int) bool { return false })
	second := disk(3, 2, func(i int) bool { return i%2 == 0 })
	w := c.Create(ebs.Making{InUse: func(off, _ int64) bool { return off == 45*ebs.BlockSize }})
	if err := w.Preflight(3, 0); err != nil {
		t.Fatal(err)
	}
	for _, img := range [][]byte{first, second} {
		if err := w.Write(t.Context(), bytes.NewReader(img), []int{0, 1}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var done []int
	if err := w.WriteZero(t.Context(), []int{2}, func(i int) { done = append(done, i) }); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(done, []int{2}) || w.Blocks() != 41 || w.Stats().ZeroParts != 1 {
		t.Errorf("done %v, %d blocks, %+v", done, w.Blocks(), w.Stats())
	}
	want := append(second, make([]byte, chunk.Size)...)
	if n := same(t, s, w.ID(), want, func(i int) bool { return i >= 40 && i != 45 }); n != 41 {
		t.Errorf("%d blocks compared", n)
	}
}

// What EBS refuses is an error in its words, with what to change, and nothing is left.
func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		name, operation string
		fault           ebstest.Fault
		want            []string
	}{
		{"no permission", "StartSnapshot", ebstest.Fault{Status: 403, Code: "AccessDeniedException", Message: "User: arn:aws:iam::1:user/u is not authorized to perform: ebs:StartSnapshot"},
			[]string{"not authorized", "ebs:StartSnapshot on arn:aws:ec2:eu-west-1::snapshot/*"}},
		{"no permission to write", "PutSnapshotBlock", ebstest.Fault{Status: 403, Code: "AccessDeniedException", Message: "no"}, []string{"allow ebs:PutSnapshotBlock"}},
		{"no permission to complete", "CompleteSnapshot", ebstest.Fault{Status: 403, Code: "AccessDeniedException", Message: "no"}, []string{"allow ebs:CompleteSnapshot"}},
		{"the key", "StartSnapshot", ebstest.Fault{Status: 403, Code: "AccessDeniedException", Message: "no", Reason: "DEPENDENCY_ACCESS_DENIED"},
			[]string{"kms:CreateGrant", "encrypt by default"}},
		{"another key", "StartSnapshot", ebstest.Fault{Status: 400, Code: "ValidationException", Message: "no", Reason: "INVALID_CUSTOMER_KEY"}, []string{"symmetric"}},
		{"the account", "PutSnapshotBlock", ebstest.Fault{Status: 403, Code: "AccessDeniedException", Message: "no", Reason: "UNAUTHORIZED_ACCOUNT"}, []string{"get-caller-identity"}},
		{"the quota", "StartSnapshot", ebstest.Fault{Status: 402, Code: "ServiceQuotaExceededException", Message: "You have reached the limit"}, []string{"100 pending snapshots", "describe-snapshots"}},
		{"the clock", "StartSnapshot", ebstest.Fault{Status: 403, Code: "InvalidSignatureException", Message: "Signature expired: 20010101T000000Z is now earlier than 2026"}, []string{"set the clock"}},
		{"not subscribed", "StartSnapshot", ebstest.Fault{Status: 403, Code: "OptInRequired", Message: "no"}, []string{"does not have this service or region"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := ebstest.Start(t)
			c := connect(t, s, ebs.Options{})
			s.Fail(tt.operation, tt.fault)
			_, _, err := write(t, t.Context(), c, disk(4, 1, func(i int) bool { return i > 3 }), ebs.Making{})
			e, ok := errors.AsType[*chunk.Error](err)
			if !ok {
				t.Fatalf("error %v", err)
			}
			for _, want := range tt.want {
				if text := e.Error() + " | " + e.Hint; !strings.Contains(text, want) {
					t.Errorf("%q does not say %q", text, want)
				}
			}
			if list := s.Snapshots(); len(list) != 0 {
				t.Errorf("left %+v", list)
			}
		})
	}
}

// What EC2 refuses of snapshots is said with the resource for which it is to be allowed.
func TestRefusedByEC2(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s, ebs.Options{})
	denied := amitest.Fault{Status: 403, Code: "UnauthorizedOperation", Message: "no"}
	s.EC2.Fail("DescribeSnapshots", denied)
	s.EC2.Fail("DeleteSnapshot", denied)
	_, err := c.Leftovers(t.Context(), "a", "b")
	for want, err := range map[string]error{"allow ec2:DescribeSnapshots on * to": err, "allow ec2:DeleteSnapshot on arn:aws:ec2:eu-west-1::snapshot/* to": c.Remove(t.Context(), "snap-0123456789abcdef0")} {
		if e, ok := errors.AsType[*chunk.Error](err); !ok || !strings.Contains(e.Hint, want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// A region without the API has no such host.
func TestNoSuchRegion(t *testing.T) {
	s := ebstest.Start(t)
	s.Setenv(t)
	t.Setenv("AWS_ENDPOINT_URL_EBS", "http://ebs.nowhere.invalid")
	c := client(t, ebs.Options{})
	_, _, err := write(t, t.Context(), c, disk(4, 1, func(i int) bool { return i > 3 }), ebs.Making{})
	e, ok := errors.AsType[*chunk.Error](err)
	if !ok || !strings.Contains(e.Hint, "has no EBS direct API") {
		t.Errorf("error %v, %+v", err, e)
	}
}

// A snapshot that is seconds old is not known everywhere; throttling slows down.
func TestYoungAndThrottled(t *testing.T) {
	s := ebstest.Start(t)
	s.Unknown, s.Looks = 5, 3
	slow := ebstest.Fault{Status: 400, Code: "RequestThrottledException", Message: "slow down", Reason: "ACCOUNT_THROTTLED"}
	notes := make(chan string, 100)
	c := connect(t, s, ebs.Options{Options: awsapi.Options{Notify: func(text string) { notes <- text }}})
	s.Fail("PutSnapshotBlock", slow, ebstest.Fault{Status: 400, Code: "ThrottlingException", Message: "Rate exceeded"})
	b := disk(5, 1, func(int) bool { return false })
	id, _, err := write(t, t.Context(), c, b, ebs.Making{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, s, id, b, nil)
	said := ""
	for len(notes) > 0 {
		said += <-notes + "\n"
	}
	for _, want := range []string{"ResourceNotFoundException: again in", "RequestThrottledException (400): again in", "ThrottlingException (400): again in"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q does not say %q", said, want)
		}
	}
}

// The state error is an error with AWS's words.
func TestStateError(t *testing.T) {
	s := ebstest.Start(t)
	s.Broken = "Client.InvalidKey: the key is gone"
	c := connect(t, s, ebs.Options{})
	_, _, err := write(t, t.Context(), c, disk(6, 1, func(i int) bool { return i > 0 }), ebs.Making{})
	if e, ok := errors.AsType[*chunk.Error](err); !ok || !strings.Contains(err.Error(), "the key is gone") || !strings.Contains(e.Hint, "kms:CreateGrant") || !strings.Contains(e.Hint, "delete-snapshot") {
		t.Errorf("error %v", err)
	}
}

// A run that is stopped deletes its snapshot, also one whose id it was never told; what
// cannot be deleted is named with the command that does.
func TestAbort(t *testing.T) {
	b := disk(7, 4, func(int) bool { return false })
	t.Run("stopped", func(t *testing.T) {
		s := ebstest.Start(t)
		s.Hold(time.Minute) // until it is stopped
		c := connect(t, s, ebs.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		_, w, err := write(t, ctx, c, b, ebs.Making{Started: func(string, bool) { time.AfterFunc(50*time.Millisecond, cancel) }})
		if !errors.Is(err, context.Canceled) || len(s.Snapshots()) != 0 || w.ID() == "" {
			t.Errorf("error %v, left %+v", err, s.Snapshots())
		}
	})
	t.Run("never told", func(t *testing.T) {
		s := ebstest.Start(t)
		c := connect(t, s, ebs.Options{Options: awsapi.Options{Attempts: 1}})
		s.Fail("StartSnapshot", ebstest.Lost)
		if _, _, err := write(t, t.Context(), c, b, ebs.Making{}); err == nil || len(s.Snapshots()) != 0 {
			t.Errorf("error %v, left %+v", err, s.Snapshots())
		}
		if n := s.Count("StartSnapshot"); n != 2 {
			t.Errorf("started %d times", n)
		}
	})
	t.Run("cannot be deleted", func(t *testing.T) {
		s := ebstest.Start(t)
		c := connect(t, s, ebs.Options{})
		s.Fail("PutSnapshotBlock", ebstest.Fault{Status: 403, Code: "AccessDeniedException"})
		s.EC2.Fail("DeleteSnapshot", amitest.Fault{Status: 403, Code: "UnauthorizedOperation", Message: "no"})
		_, w, err := write(t, t.Context(), c, b, ebs.Making{})
		if err == nil || !strings.Contains(err.Error(), "delete ebs:"+w.ID()) || len(s.Snapshots()) != 1 {
			t.Errorf("error %v, left %+v", err, s.Snapshots())
		}
		list, err := c.Leftovers(t.Context(), "none", "none")
		if err != nil || len(list) != 0 {
			t.Errorf("leftovers %v, %v", list, err)
		}
	})
}

// What is left pending is found by its tag.
func TestLeftovers(t *testing.T) {
	s := ebstest.Start(t)
	s.Page = 1
	c := connect(t, s, ebs.Options{})
	for _, machine := range []string{"a", "b", "a"} {
		begun(t, c, ebs.Making{Tags: map[string]string{"machine": machine}}, 1)
	}
	list, err := c.Leftovers(t.Context(), "machine", "a")
	if err != nil || len(list) != 2 || list[0].ID == list[1].ID || list[0].Began.IsZero() {
		t.Errorf("leftovers %+v, %v", list, err)
	}
}

// Nothing is completed that is not there as it was sent.
func TestCommitRefused(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s, ebs.Options{})
	w := begun(t, c, ebs.Making{}, 2)
	if err := w.Commit(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "1 parts made of 2") {
		t.Errorf("one part lacks: %v", err)
	}
	if err := w.WriteZero(t.Context(), []int{1}, nil); err != nil {
		t.Fatal(err)
	}
	s.Change(t, w.ID(), 3)
	if err := w.Commit(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "aggregated checksum") {
		t.Errorf("another block: %v", err)
	}
	if err := w.Abort(); err != nil || len(s.Snapshots()) != 0 {
		t.Errorf("left %+v, %v", s.Snapshots(), err)
	}
	if err := w.WriteZero(t.Context(), []int{1}, nil); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after Abort: %v", err)
	}
}

// A snapshot that was idle for too long is given up, and the error says that it is to be
// begun again.
func TestIdle(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s, ebs.Options{})
	w := begun(t, c, ebs.Making{}, 2)
	s.Idle = time.Nanosecond
	err := w.WriteZero(t.Context(), []int{1}, nil)
	if e, ok := errors.AsType[*chunk.Error](err); !ok || !strings.Contains(err.Error(), "timed out") || !strings.Contains(e.Hint, "start again") {
		t.Errorf("error %v", err)
	}
	if err := w.Abort(); err != nil || len(s.Snapshots()) != 0 {
		t.Errorf("left %+v, %v", s.Snapshots(), err)
	}
}

func TestParsePlace(t *testing.T) {
	for text, want := range map[string]string{"ebs:": "", "ebs:snap-0123456789abcdef0": "snap-0123456789abcdef0", "ebs:snap-01234567": "snap-01234567"} {
		if id, err := ebs.ParsePlace(text); err != nil || id != want {
			t.Errorf("%s: %q, %v", text, id, err)
		}
	}
	for _, text := range []string{"", "ebs", "ebs://snap-01234567", "ebs:vol-01234567", "ebs:snap-", "ebs:snap-0123456z", "ebs:snap-0123456789abcdef01", "s3://b"} {
		if id, err := ebs.ParsePlace(text); err == nil {
			t.Errorf("%q: %q", text, id)
		}
	}
}
