package dir

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/chunk/work"
)

// Options of Begin. Group and Last must be given.
type Options struct {
	Group string // what the files have in common: it names their journal
	Last  string // the file that makes the others a whole: last to come, first to go
	// Taken says whether a file that is there belongs to the group and so has to
	// give way. An error of it is the error of Begin. nil: no file does.
	Taken func(name string) (bool, error)
	Force bool // replace what is taken, once the new files are whole
	// Trusted: the directory is used even if others than root and the user of this
	// process can change it; else that is an *UntrustedError.
	Trusted bool
	// OnChange, if not nil, is called before each change of the directory, with what
	// is done to which file; its error is the error of that change. Tests make faults
	// of it, and look at what a crash would leave.
	OnChange func(op, name string) error
}

// Item is one file of a group.
type Item struct {
	Key  string // names the file until Publish, in the stage and in its temporary name
	Name string // what Publish will call it, or nearly: Sure says which
	Sure bool
	Sum  string // SHA-256 of its content in hexadecimal, if that is known
	// MD5, if not nil, returns that of its content in hexadecimal, which is read for it:
	// only for places that have no SHA-256.
	MD5  func(ctx context.Context) (string, error)
	Text []byte // the content of a small file, for Publish only; it needs no Key
}

// Stage is a directory that one run has for itself, and the files that it stages
// there. Files have temporary names until Publish.
//
// What a crash at any moment, power loss included, can leave under final names is
//
//   - before Publish moves files: what was there before, all of it;
//   - while it moves them, which is renames and three syncs of the directory:
//     no Last; the next Begin puts back what was there before;
//   - after: the new files, all of them.
//
// An error, as opposed to a crash, in the middle is undone on the spot.
type Stage struct {
	dir     *Dir
	made    []string // directories made by Begin, deepest first
	opt     Options
	scratch string // see Scratch

	mu      sync.Mutex
	closed  bool
	staged  map[string]*staged // by key, small files too
	need    int64              // bytes, once Room was asked; else 0
	written int64              // bytes
}

// staged is what is known of one file.
type staged struct {
	fileMade
	whole  bool // all of it is there
	data   bool // it is not all zero
	linked bool // it is another's file as well: never written to
}

// Begin opens the directory at path for a group of files. It makes the directory
// if it is missing, locks it, finishes or undoes what killed runs left there (of
// any group), and refuses with ErrExists if files of the group are there, unless
// opt.Force is set.
func Begin(path string, opt Options) (s *Stage, err error) {
	d, made, err := openLocked(path, opt.Trusted)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			d.leave(made)
		}
	}()
	d.fault = opt.OnChange
	if err := d.settle(); err != nil {
		return nil, err
	}
	s = &Stage{dir: d, made: made, opt: opt, staged: make(map[string]*staged)}
	if _, err := s.present(); err != nil {
		return nil, err
	}
	return s, nil
}

// OnChange sets Options.OnChange.
func (s *Stage) OnChange(fn func(op, name string) error) { s.dir.fault = fn }

// Dir returns the directory, which the Stage closes.
func (s *Stage) Dir() *Dir { return s.dir }

// present lists the files that the new ones will replace. Without Force there
// may be none.
func (s *Stage) present() ([]string, error) {
	if s.opt.Taken == nil {
		return nil, nil
	}
	names, err := s.dir.Names()
	if err != nil {
		return nil, err
	}
	var old []string
	for _, name := range names {
		taken, why := s.opt.Taken(name)
		switch {
		case !taken && why == nil:
			continue
		case !taken || why != nil && s.opt.Force:
			return nil, why
		}
		if err := s.dir.replaceable(name); err != nil { // whatever Force is: it would not help
			return nil, err
		}
		if !s.opt.Force {
			return nil, &Error{Op: "create", Path: s.dir.Join(name), Err: ErrExists}
		}
		old = append(old, name)
	}
	return old, nil
}

// Room checks that there is room for so many files and so many bytes in them that
// are not zero. It fails with a *SpaceError if there is not.
func (s *Stage) Room(files int, need int64) error {
	s.mu.Lock()
	s.need = need
	s.mu.Unlock()
	return s.dir.Room(files, need)
}

// Put stages a file with the content p, sparse: pages that are zero take no disk.
// A file that was staged before is made again. It returns the bytes written.
func (s *Stage) Put(_ context.Context, it Item, p []byte) (written int64, err error) {
	runs := nonZero(p)
	written, err = s.make(it, p, runs, int64(len(p)))
	return written, err
}

// Zero stages a file of size zero bytes: it takes no room but a name.
func (s *Stage) Zero(_ context.Context, it Item, size int64) (written int64, err error) {
	return s.make(it, nil, nil, size)
}

func (s *Stage) make(it Item, p []byte, runs []extent, size int64) (written int64, err error) {
	fd, err := s.begin(it)
	if err != nil {
		return 0, err
	}
	written, err = fill(fd, p, runs, size)
	if cerr := unix.Close(fd); err == nil {
		err = cerr
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return 0, s.explain(Fail("write", s.dir.Join(it.Name), err))
	}
	s.written += written
	f := s.staged[it.Key]
	f.whole, f.data = true, len(runs) > 0
	return written, nil
}

// begin opens an empty file, under the lock that Abort takes: a worker that a
// cancelled run left behind cannot make a file after it.
func (s *Stage) begin(it Item) (fd int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.dir.Join(it.Name)
	if s.closed {
		return -1, Fail("write", shown, os.ErrClosed)
	}
	f := s.staged[it.Key]
	if f != nil && f.linked {
		if err := s.dir.Remove(f.name); err != nil {
			return -1, s.explain(renamed(err, shown))
		}
		delete(s.staged, it.Key)
		f = nil
	}
	if f == nil {
		f = new(staged)
		fd, f.fileMade, err = s.dir.make(tempName(it.Key))
		if f.name != "" {
			s.staged[it.Key] = f
		}
	} else {
		f.whole = false
		if fd, err = s.dir.reopen(f.fileMade, unix.O_WRONLY); err == nil {
			if err = unix.Ftruncate(fd, 0); err != nil {
				unix.Close(fd)
			}
		}
	}
	if err != nil {
		return -1, s.explain(renamed(Fail("create", shown, err), shown))
	}
	return fd, nil
}

// Open opens a staged file for reading.
func (s *Stage) Open(it Item) (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.dir.Join(it.Name)
	f := s.staged[it.Key]
	if s.closed || f == nil || !f.whole {
		return nil, Fail("read", shown, Cause("was never made"))
	}
	fd, err := s.dir.reopen(f.fileMade, unix.O_RDONLY)
	if err != nil {
		return nil, renamed(err, shown)
	}
	return os.NewFile(uintptr(fd), s.dir.Join(f.name)), nil
}

// Drop removes a staged file. It can be staged again; Publish fails without it.
func (s *Stage) Drop(it Item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.staged[it.Key]
	if s.closed || f == nil || !f.whole {
		return nil
	}
	delete(s.staged, it.Key)
	return s.dir.Remove(f.name)
}

// Scratch makes a directory in the directory, so that what needs room while the
// files are made takes it from the same disk. It is nobody else's: the directory
// above may be /tmp. Empty, it goes with Publish and Abort; what a killed run left
// in one is removed by the next Begin.
func (s *Stage) Scratch() (path string, err error) {
	name := "." + s.opt.Group + rawSuffix
	err = unix.Mkdirat(s.dir.fd(), name, 0o700)
	if errors.Is(err, unix.EEXIST) { // a stranger's: ours would be gone
		name = "." + other(s.opt.Group) + rawSuffix
		err = unix.Mkdirat(s.dir.fd(), name, 0o700)
	}
	if err != nil {
		return "", Fail("mkdir", s.dir.Join(name), err)
	}
	s.scratch = name
	return s.dir.Join(name), nil
}

// dropScratch removes the directory of Scratch.
func (s *Stage) dropScratch() error {
	name := s.scratch
	if s.scratch = ""; name == "" {
		return nil
	}
	return s.dir.removeDir(name)
}

// Abort removes all that was staged, the directory too if Begin made it and it is
// empty. Older files stay as they were. After Publish or Abort it does nothing.
func (s *Stage) Abort() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	return s.discard()
}

// discard does what Abort does, with s.mu held.
func (s *Stage) discard() error {
	err := removeAll(s.dir, s.temps())
	if serr := s.dropScratch(); err == nil {
		err = serr
	}
	s.closed = true
	s.dir.leave(s.made)
	return err
}

// temps lists the temporary names of all that is staged.
func (s *Stage) temps() (names []string) {
	for _, f := range s.staged {
		names = append(names, f.name)
	}
	return names
}

// close lets go of the directory.
func (s *Stage) close() {
	s.closed = true
	s.dir.Close()
}

// removeAll removes files, several at once: giving back the blocks of a large
// file takes a while. It returns the first error, having tried all.
func removeAll(d *Dir, names []string) error {
	workers := 0
	if d.fault != nil {
		workers = 1 // tests stop the clock at each change
	}
	var mu sync.Mutex
	var first error
	_ = work.Each(context.Background(), crew(workers), names, func(_ context.Context, name string) error {
		if err := d.Remove(name); err != nil {
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		}
		return nil
	})
	return first
}

// grace is how long what was cancelled is waited for.
const grace = 300 * time.Millisecond

// crew returns a crew of so many goroutines; 0 means one a processor.
func crew(workers int) work.Crew { return work.Crew{Workers: workers, Grace: grace} }

// explain adds to an error of the directory what only the Stage knows: how far
// the run is, and how much room there is. s.mu is held.
func (s *Stage) explain(err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	with := func(hint string) error { return &Error{Op: e.Op, Path: e.Path, Err: e.Err, Hint: hint} }
	switch {
	case errors.Is(e.Err, unix.EDQUOT):
		return with(s.progress() + ": make room within the quota or choose another directory")
	case errors.Is(e.Err, unix.ENOSPC):
		text := s.progress()
		if free, err := s.dir.free(); err == nil {
			text += fmt.Sprintf(", %s free in %s", BytesText(free), s.dir.path)
		}
		return with(text + ": make room or choose another directory")
	case errors.Is(e.Err, unix.ENOENT):
		return with("the directory, or files in it, were removed during the run: run it again")
	}
	return err
}

// progress says how far the run came, in bytes.
func (s *Stage) progress() string {
	if s.need == 0 {
		return BytesText(s.written) + " written"
	}
	return fmt.Sprintf("%s written of %s", BytesText(s.written), BytesText(s.need))
}
