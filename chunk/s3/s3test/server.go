package s3test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// Server is a running S3 server.
type Server struct {
	Endpoint string // "http://127.0.0.1:PORT"
	Region   string
	Access   string // access key id
	Secret   string // secret access key
	Dir      string // a bucket is a directory here, an object a file below it
	Make     *Make

	log  lockedBuffer
	gone chan struct{} // closed when the process has ended
}

// Start runs a server until the test ends: of the make that Variable names, else of
// the first. It skips the test if that is not built or the file system keeps no
// extended attributes and it needs them; if CI=true that is a failure.
func Start(t testing.TB) *Server {
	t.Helper()
	m := chosen(t)
	program := m.Program(t)
	dir := t.TempDir()
	if m.xattr {
		needXattr(t, dir)
	}
	s, stop, err := m.Run(program, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s
}

// Program skips the test if the server that Start would run is not built; if
// CI=true that is a failure.
func Program(t testing.TB) {
	t.Helper()
	chosen(t).Program(t)
}

// Run runs a server on the directory dir until stop is called or the process
// ends, without a test.
func (m *Make) Run(program, dir string) (s *Server, stop func(), err error) {
	// Another process may take the port between its choice and its use.
	for range 5 {
		s = &Server{Region: "us-east-1", Access: "AK" + random(9), Secret: random(20), Dir: dir, Make: m, gone: make(chan struct{})}
		if stop, err = s.run(program); err == nil {
			return s, stop, nil
		}
	}
	return nil, nil, err
}

func needXattr(t testing.TB, dir string) {
	t.Helper()
	if err := unix.Setxattr(dir, "user.purebundle-test", []byte("1"), 0); err != nil {
		imgtest.Missing(t, fmt.Sprintf("needs extended attributes in %s: %v", dir, err))
	}
}

// random returns n random bytes as hexadecimal digits.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// run starts the process and waits until it answers to its own keys.
func (s *Server) run(program string) (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	s.Endpoint = "http://" + address

	cmd := s.Make.start(s, address)
	cmd.Path, cmd.Args[0] = program, s.Make.Name
	cmd.Env = append(cmd.Env, "PATH="+os.Getenv("PATH"))
	cmd.Dir = s.Dir
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	if err := s.spawn(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Make.Name, err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		<-s.gone
	}
	if err := s.wait(); err != nil {
		stop()
		return nil, fmt.Errorf("%s: %w\n%s", s.Make.Name, err, s.Log())
	}
	return stop, nil
}

// spawn starts cmd so that it ends with this process, even one that is killed.
// The kernel sends the signal when the thread that forked ends, so that thread
// is kept until then (prctl(2), PR_SET_PDEATHSIG).
func (s *Server) spawn(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(s.gone)
		}
	}()
	return <-started
}

// wait returns when the server answers; it has 30 seconds.
func (s *Server) wait() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := s.Client()
	var err error
	for ctx.Err() == nil {
		if _, err = client.ListBuckets(ctx, nil, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} }); err == nil {
			return nil
		}
		select {
		case <-s.gone:
			return errors.New("ended at once")
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("does not answer: %w", err)
}

// Log returns what the server printed so far: a line for each request.
func (s *Server) Log() string { return s.log.String() }

// lockedBuffer is a buffer that two goroutines may use.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
