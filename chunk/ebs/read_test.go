package ebs_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ebs/ebstest"
)

// A snapshot is read as it was written, over the borders of blocks and pages, and when
// tokens expire meanwhile; what is not in it reads as zeros.
func TestRead(t *testing.T) {
	s := ebstest.Start(t)
	s.Page = 7
	c := connect(t, s, ebs.Options{})
	b := disk(8, 2, func(i int) bool { return i%3 == 1 })
	id, _, err := write(t, t.Context(), c, b, ebs.Making{Tags: map[string]string{"a": "b"}, InUse: func(int64, int64) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	sn, err := c.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	defer sn.Close()
	if sn.Size() != 1<<30 || sn.Info().Tags["a"] != "b" || sn.Info().Began.IsZero() || len(sn.Blocks()) != 27 || sn.Parts() != 103 || sn.Empty(1) || !sn.Empty(2) {
		t.Errorf("size %d, %+v, %d blocks, %d parts", sn.Size(), sn.Info(), len(sn.Blocks()), sn.Parts())
	}
	for _, at := range []struct{ off, n int64 }{{0, 1}, {ebs.BlockSize - 1, 2}, {100, 3 * ebs.BlockSize}, {chunk.Size - 1, 1}, {int64(len(b)) - 5, 5}} {
		have := make([]byte, at.n)
		if n, err := sn.ReadAt(have, at.off); n != len(have) || err != nil || !bytes.Equal(have, b[at.off:at.off+at.n]) {
			t.Errorf("read %d bytes at %d: %d, %v", at.n, at.off, n, err)
		}
	}
	if n, err := sn.ReadAt(make([]byte, 10), sn.Size()-4); n != 4 || err != io.EOF {
		t.Errorf("at the end: %d, %v", n, err)
	}
	part := bytes.Repeat([]byte{1}, chunk.Size)
	if err := sn.ReadPart(t.Context(), 102, part); err != nil || !bytes.Equal(part, make([]byte, chunk.Size)) {
		t.Errorf("beyond the end: %v", err)
	}
	checked := 0
	if wrong, err := sn.Check(t.Context(), func(int) { checked++ }); err != nil || len(wrong) != 0 || checked != 27 {
		t.Errorf("%d checked, %v, %v", checked, wrong, err)
	}
}

func TestTokensExpire(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s, ebs.Options{})
	b := disk(9, 1, func(i int) bool { return i > 2 })
	id, _, err := write(t, t.Context(), c, b, ebs.Making{InUse: func(int64, int64) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	s.Life = time.Nanosecond
	sn, err := c.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	s.Life = 0
	have := make([]byte, chunk.Size)
	if _, err := sn.ReadAt(have, 0); err != nil || !bytes.Equal(have, b) {
		t.Errorf("read: %v", err)
	}
	if n := s.Count("ListSnapshotBlocks"); n != 2 {
		t.Errorf("listed %d times", n)
	}
}

// A block that is not what its digest says is no block, and named.
func TestReadDamaged(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s, ebs.Options{Options: awsapi.Options{Attempts: 2}})
	b := disk(10, 1, func(i int) bool { return i > 2 })
	id, _, err := write(t, t.Context(), c, b, ebs.Making{InUse: func(int64, int64) bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	s.Change(t, id, 1)
	sn, err := c.Open(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	have := make([]byte, chunk.Size)
	if n, err := sn.ReadAt(have, 0); n != ebs.BlockSize || !errors.Is(err, chunk.ErrDamaged) || !bytes.Equal(have[n:], make([]byte, len(have)-n)) {
		t.Errorf("read %d bytes: %v", n, err)
	}
	wrong, err := sn.Check(t.Context(), nil)
	if err != nil || len(wrong) != 1 || !strings.Contains(wrong[0].Error(), id+" block 1: SHA-256 is") {
		t.Errorf("check: %v, %v", wrong, err)
	}
	if !slices.Equal(sn.Blocks(), []int32{0, 1, 2}) {
		t.Errorf("blocks %v", sn.Blocks())
	}
}

// Only what is complete can be read.
func TestOpenRefused(t *testing.T) {
	s := ebstest.Start(t)
	c := connect(t, s, ebs.Options{})
	w := begun(t, c, ebs.Making{}, 1)
	for id, want := range map[string]string{w.ID(): "not complete yet", "snap-01234567": "does not exist"} {
		_, err := c.Open(t.Context(), id)
		if e, ok := errors.AsType[*chunk.Error](err); !ok || !strings.Contains(err.Error(), want) || e.Hint == "" {
			t.Errorf("%s: %v", id, err)
		}
	}
}
