package memory

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestAvailable(t *testing.T) {
	const mib = 1 << 20
	meminfo := "MemTotal:       8192 kB\nMemAvailable:   4096 kB\nSwapFree:       1024 kB\n"
	for _, c := range []struct {
		name  string
		files map[string]string
		want  int64
	}{
		{"nothing known", nil, math.MaxInt64},
		{"machine", map[string]string{"proc/meminfo": meminfo}, 5 * mib},
		{"old machine", map[string]string{"proc/meminfo": "MemTotal: 8192 kB\nSwapFree: 0 kB\n"}, math.MaxInt64},
		{"version 2", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max":  "3145728\n",
			"sys/fs/cgroup/a/memory.stat": "anon 524288\nshmem 524288\nactive_file 1048576\nslab_reclaimable 1048576\n", "sys/fs/cgroup/a/b/memory.max": "max\n"}, 2 * mib},
		{"version 2, used up", map[string]string{"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "4096\n", "sys/fs/cgroup/a/memory.stat": "anon 8192\n"}, 0},
		{"version 1", map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "5:cpu,memory:/a\n4:cpu:/x\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n", "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1048576\n"}, mib},
		{"container", map[string]string{"proc/self/cgroup": "4:memory:/docker/0123\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "2097152\n"}, 2 * mib},
		{"no limit", map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, math.MaxInt64},
	} {
		t.Run(c.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range c.files {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := available(root); got != c.want {
				t.Errorf("%d bytes, want %d", got, c.want)
			}
		})
	}
	if got := available(os.DirFS("/")); got <= 0 || got == math.MaxInt64 {
		t.Errorf("this machine has %d bytes", got)
	}
}

// Memory that is in use ends the context; garbage does not.
func TestWatch(t *testing.T) {
	const limit = 64 << 20
	debug.FreeOSMemory() // what an earlier run kept
	if got := SetLimit(); got == math.MaxInt64 || got <= 0 {
		t.Errorf("a limit of %d bytes", got)
	}
	t.Setenv("GOMEMLIMIT", "off")
	SetLimit() // leaves it
	run := func(keep bool) error {
		ctx, stop := Watch(context.Background(), limit)
		defer stop()
		var kept [][]byte
		for range 256 {
			piece := make([]byte, 1<<20)
			for i := range piece {
				piece[i] = 1
			}
			if keep {
				kept = append(kept, piece)
			}
			if ctx.Err() != nil {
				break
			}
			time.Sleep(tick / 50)
		}
		err := context.Cause(ctx)
		_ = len(kept)
		return err
	}
	if err := run(false); err != nil {
		t.Errorf("garbage: %v", err)
	}
	known, ok := errors.AsType[*Error](run(true))
	if !ok || known.Used <= limit || known.Limit != limit || !strings.Contains(known.Error(), "64 MiB") {
		t.Errorf("in use: %+v", known)
	}
}

// offer makes of the test binary a program that does nothing but OfferFirst.
const offer = "PUREBUNDLE_TEST_OFFER"

func TestOfferFirst(t *testing.T) {
	if os.Getenv(offer) != "" {
		if err := OfferFirst(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile("/proc/self/oom_score_adj")
		if want := os.Getenv(offer) + "\n"; err != nil || string(text) != want {
			t.Fatalf("%q, %v, want %q", text, err, want)
		}
		return
	}
	for before, after := range map[string]string{"0": "1000", "200": "200"} {
		cmd := exec.Command("sh", "-c", "echo "+before+` > /proc/self/oom_score_adj && exec "$0" -test.run=^TestOfferFirst$`, os.Args[0])
		cmd.Env = append(os.Environ(), offer+"="+after)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("from %s: %v\n%s", before, err, out)
		}
	}
}
