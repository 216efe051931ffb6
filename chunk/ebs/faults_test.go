package ebs_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/ebs/ebstest"
	"purebundle/chunk/s3/s3test"
	"purebundle/chunk/work"
)

// A hundred snapshots are written and read through a line that breaks each fourth
// request in every way, and nothing is lost or changed.
func TestHundred(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long, and its goroutines are those of other tests")
	}
	s := ebstest.Start(t)
	s.Encrypt, s.Unknown = true, 2
	proxy := s.Proxy(t, s3test.Faults{Seed: 1, Rate: 0.28, Streak: 3})
	ebstest.SetenvAt(t, s.EnvAt(proxy.Endpoint))
	c := client(t, ebs.Options{Options: awsapi.Options{Attempts: 60, Stall: 300 * time.Millisecond}})
	var mu sync.Mutex
	ids := map[string]int{}
	err := work.Each(t.Context(), work.Crew{Workers: 16}, numbers(100), func(ctx context.Context, n int) error {
		b := hundredth(n)
		id, _, err := write(t, ctx, c, b, ebs.Making{InUse: func(off, _ int64) bool { return off/ebs.BlockSize < 6 }})
		if err != nil {
			return fmt.Errorf("snapshot %d: %w", n, err)
		}
		sn, err := c.Open(ctx, id)
		if err != nil {
			return err
		}
		defer sn.Close()
		have := make([]byte, chunk.Size)
		if err := sn.ReadPart(ctx, 0, have); err != nil {
			return err
		}
		if !bytes.Equal(have, b) {
			return fmt.Errorf("snapshot %d is read as another", n)
		}
		mu.Lock()
		defer mu.Unlock()
		ids[id] = n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) != 100 || len(s.Snapshots()) != 100 {
		t.Errorf("%d snapshots made, %d there", len(ids), len(s.Snapshots()))
	}
	for id, n := range ids {
		have, err := os.ReadFile(s.File(t, id, 6*ebs.BlockSize))
		if err != nil || !bytes.Equal(have, hundredth(n)[:len(have)]) || len(have) == 0 {
			t.Fatalf("snapshot %d is another: %v", n, err)
		}
	}
	total := 0
	for _, k := range s3test.Kinds() {
		n := proxy.Count(k)
		total += n
		if n == 0 && k != s3test.CopyError && k != s3test.DeleteError {
			t.Errorf("no %v", k)
		}
	}
	again := s.Again()
	if total < 500 || again > total {
		t.Errorf("%d faults in %d requests; %d blocks were put again", total, proxy.Requests(), again)
	}
	t.Logf("%d faults in %d requests; %d blocks were put again", total, proxy.Requests(), again)
}

// hundredth returns the disk of snapshot n: four blocks of data, two of zeros that are
// in use, and nothing.
func hundredth(n int) []byte {
	return disk(uint64(n), 1, func(i int) bool { return i >= 6 || i == 2 || i == 4 })
}
