package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sealed gives a content that says whether it is whole: a line with its
// generation, its size in bytes and the digest of what follows.
func sealed(gen uint64, size int) []byte {
	body := stream(gen, gen, size)
	return append(fmt.Appendf(nil, "%d %d %x\n", gen, size, sha256.Sum256(body)), body...)
}

// judgeSealed says whether b is one that sealed gave.
func judgeSealed(b []byte) error {
	var gen uint64
	var size int
	if _, err := fmt.Sscanf(string(b[:min(len(b), 40)]), "%d %d ", &gen, &size); err != nil {
		return fmt.Errorf("no header: %w", err)
	}
	if want := sealed(gen, size); !bytes.Equal(b, want) {
		return fmt.Errorf("%d bytes that are no state of the file: generation %d has %d", len(b), gen, len(want))
	}
	return nil
}

// logLines is how many lines a log has when it is rotated.
const logLines = 40

// logLine gives line n of a log's generation.
func logLine(gen uint64, n int) []byte {
	return fmt.Appendf(nil, "generation %d line %d %.4x\n", gen, n, sha256.Sum256(fmt.Append(nil, gen, n)))
}

// judgeLog says whether b is the first lines of one generation.
func judgeLog(b []byte) error {
	var gen uint64
	if len(b) > 0 {
		if _, err := fmt.Sscanf(string(b), "generation %d ", &gen); err != nil {
			return err
		}
	}
	var want []byte
	for n := 0; n < logLines && len(want) < len(b); n++ {
		want = append(want, logLine(gen, n)...)
	}
	if !bytes.Equal(b, want) {
		return fmt.Errorf("%d bytes that are not the first lines of generation %d", len(b), gen)
	}
	return nil
}

// replaced returns the files that are replaced by rename all the time; rewritten gets more and more
// bytes in place, several times a second.
func replaced() []string {
	return []string{"/etc/app/settings", "/home/app/settings", "/boot/app/settings"}
}
func rewritten() []string { return []string{"/etc/app/state", "/home/app/state"} }

const rotated = "/var/log/app/app.log"

// disturb changes files of the server as fast as it can until the test ends.
// Each file is there all the time, in a state that can be told.
func (s *liveServer) disturb(t *testing.T) {
	t.Helper()
	stop := make(chan struct{})
	var writers sync.WaitGroup
	begin := func(path string, step func(path string, gen uint64) error) {
		file := s.dir + path
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), step(file, 1)); err != nil {
			t.Fatal(err)
		}
		steps := new(atomic.Uint64)
		writers.Go(func() {
			for gen := uint64(2); ; gen++ {
				select {
				case <-stop:
					return
				default:
				}
				s.calm.RLock()
				err := step(file, gen)
				s.calm.RUnlock()
				if err != nil {
					t.Errorf("%s: %v", path, err)
					return
				}
				steps.Add(1)
			}
		})
		t.Cleanup(func() { t.Logf("%s: %d changes", path, steps.Load()) })
	}
	t.Cleanup(writers.Wait)
	t.Cleanup(func() { close(stop) })
	for _, path := range replaced() {
		begin(path, func(file string, gen uint64) error {
			return errors.Join(os.WriteFile(file+"~", sealed(gen, 1000+rand.IntN(9000)), 0o644), os.Rename(file+"~", file))
		})
	}
	for _, path := range rewritten() {
		begin(path, rewrite)
	}
	begin(rotated, rotate)
}

// rewrite writes a longer content over the old one, or begins again with a new
// file.
func rewrite(file string, gen uint64) error {
	const again = 200 // generations
	b := sealed(gen, 1000+int(gen%again)*500)
	time.Sleep(200 * time.Millisecond)
	if gen%again == 1 {
		return errors.Join(os.WriteFile(file+"~", b, 0o644), os.Rename(file+"~", file))
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// rotate writes a log of one generation, and gives the older ones other names.
func rotate(file string, gen uint64) error {
	for n := 3; n > 0; n-- {
		older := file
		if n > 1 {
			older = fmt.Sprint(file, ".", n-1)
		}
		if err := os.Rename(older, fmt.Sprint(file, ".", n)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	for n := range logLines {
		_, e := f.Write(logLine(gen, n))
		err = errors.Join(err, e)
	}
	return errors.Join(err, f.Close())
}

// judgeLive says whether a file of the image, which the server changes all the
// time, holds a state that it was in; known says whether it can be told. now
// is the file on the server.
func judgeLive(path string, b []byte, now string) (known bool, err error) {
	switch {
	case strings.HasSuffix(path, "~"): // being written
		return true, nil
	case strings.HasPrefix(path, "/etc/app/"), strings.HasPrefix(path, "/home/app/"), strings.HasPrefix(path, "/boot/app/"):
		return true, judgeSealed(b)
	case strings.HasPrefix(path, rotated):
		return true, judgeLog(b)
	case path == "/var/mail/root", path == "/var/log/mail.log", path == "/var/log/nginx/access.log":
		after, err := os.ReadFile(now)
		if err == nil && !bytes.HasPrefix(after, b) {
			err = fmt.Errorf("%d bytes that the log of %d bytes does not begin with", len(b), len(after))
		}
		return true, err
	}
	return false, nil
}
