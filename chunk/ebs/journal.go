package ebs

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"purebundle/chunk"
)

// Journal is a file that notes what EBS has acknowledged of a snapshot, so that a run that
// was cut is gone on with: EBS lists the blocks of complete snapshots only, and takes
// CompleteSnapshot only with the number of blocks that it has and the digest of all of
// their digests.
//
// Each line is written at once, and survives the end of the process by any signal; the
// end of the machine it may not survive, so a journal of before the last boot is not gone
// on with. The lines:
//
//	purebundle EBS journal 1 BOOT   the first; BOOT is /proc/sys/kernel/random/boot_id
//	start ID MADE                   the snapshot, and the digest of what StartSnapshot was told that cannot be changed
//	put INDEX                       a block is about to be put
//	has INDEX SHA-256               EBS has acknowledged it
//	seal ID                         the snapshot is about to be completed
//	open ID                         EBS has refused to complete it
type Journal struct {
	f    *os.File
	boot string

	mu     sync.Mutex
	err    error  // of the first write that failed
	id     string // "": there is nothing to go on with
	made   string
	sums   map[int32][sha256.Size]byte // that EBS has
	sent   map[int32]bool              // that it may have
	sealed bool
	lost   string // why there is nothing to go on with, though there was something; else ""
}

const journalTitle = "purebundle EBS journal 1 "

// OpenJournal opens a journal, or makes one. As long as it is open, nobody else can.
func OpenJournal(path string) (j *Journal, err error) {
	fail := func(op string, err error, hint string) (*Journal, error) {
		return nil, &chunk.Error{Op: op, Path: path, Err: err, Hint: hint}
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_APPEND|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return fail("open", err, "--journal names a directory for it")
	}
	f := os.NewFile(uintptr(fd), path)
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if st, serr := f.Stat(); serr != nil || !st.Mode().IsRegular() {
		return fail("open", errors.Join(serr, errors.New("is no regular file")), "remove it")
	}
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fail("lock", err, "another run is at work on the same snapshot: wait for it, or have a --journal of its own")
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return nil, err
	}
	j = &Journal{f: f, boot: strings.TrimSpace(string(boot))}
	if err := j.read(); err != nil {
		return fail("read", err, "remove it")
	}
	return j, nil
}

// clear forgets what was read.
func (j *Journal) clear() {
	j.id, j.made, j.sealed, j.sums, j.sent = "", "", false, map[int32][sha256.Size]byte{}, map[int32]bool{}
}

// read reads what is there. A last line without its end was not written, nor was what it
// says done.
func (j *Journal) read() error {
	j.clear()
	lines := bufio.NewReader(j.f)
	for n := 1; ; n++ {
		line, err := lines.ReadString('\n')
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		line = strings.TrimSuffix(line, "\n")
		if n == 1 {
			switch boot, ours := strings.CutPrefix(line, journalTitle); {
			case !ours:
				return errors.New("is no journal of purebundle's")
			case boot != j.boot:
				j.lost = "the machine was started again since: what of the journal was written is not known"
			}
			continue
		}
		if err := j.take(strings.Fields(line)); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// take takes one line.
func (j *Journal) take(words []string) error {
	bad := errors.New("is no line of a journal")
	if len(words) < 2 {
		return bad
	}
	if words[0] == "start" && len(words) == 3 {
		if _, err := ParsePlace(Scheme + words[1]); err != nil {
			return err
		}
		j.clear()
		j.id, j.made = words[1], words[2]
		return nil
	}
	if (words[0] == "seal" || words[0] == "open") && len(words) == 2 && words[1] == j.id {
		j.sealed = words[0] == "seal"
		return nil
	}
	i, err := strconv.ParseInt(words[1], 10, 32)
	switch {
	case err != nil || i < 0 || j.id == "":
		return bad
	case words[0] == "put" && len(words) == 2:
		delete(j.sums, int32(i))
		j.sent[int32(i)] = true
	case words[0] == "has" && len(words) == 3:
		sum, err := hex.DecodeString(words[2])
		if err != nil || len(sum) != sha256.Size {
			return bad
		}
		j.sums[int32(i)] = [sha256.Size]byte(sum)
		delete(j.sent, int32(i))
	default:
		return bad
	}
	return nil
}

// ID returns the snapshot that can be gone on with, "" if there is none.
func (j *Journal) ID() string {
	if j == nil {
		return ""
	}
	return j.id
}

// note writes a line. After one that could not be written, none is.
func (j *Journal) note(format string, args ...any) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err == nil {
		if _, err := fmt.Fprintf(j.f, format, args...); err != nil {
			j.err = &chunk.Error{Op: "write", Path: j.f.Name(), Err: err, Hint: "make room, or leave out --resume"}
		}
	}
	return j.err
}

// start forgets what is there, and notes that a snapshot was started.
func (j *Journal) start(id, made string) error {
	if err := j.f.Truncate(0); err != nil {
		return err
	}
	return j.note("%s%s\nstart %s %s\n", journalTitle, j.boot, id, made)
}

func (j *Journal) put(index int32) error { return j.note("put %d\n", index) }

func (j *Journal) has(index int32, sum [sha256.Size]byte) error {
	return j.note("has %d %x\n", index, sum)
}

func (j *Journal) seal(id string) error { return j.note("seal %s\n", id) }

func (j *Journal) open(id string) error { return j.note("open %s\n", id) }

// done forgets all, because the snapshot is complete. What cannot be forgotten is no harm:
// a snapshot that is complete is not gone on with.
func (j *Journal) done() {
	_ = j.f.Truncate(0)
	path := j.f.Name()
	mine, err := j.f.Stat()
	if st, serr := os.Lstat(path); err == nil && serr == nil && os.SameFile(mine, st) {
		_ = os.Remove(path) // an empty one says as much
	}
}

// Close closes the file, which stays. The lock is given back first, because a child that is
// being started has the file open until it calls execve(2).
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	_ = unix.Flock(int(j.f.Fd()), unix.LOCK_UN)
	return j.f.Close()
}

// JournalName returns the name of the file for what these words stand for, such as SOURCE.
func JournalName(dir string, about ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(about, "\x00")))
	return filepath.Join(dir, "ebs-"+hex.EncodeToString(sum[:8])+".journal")
}
