package walker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Walk calls fn for every entry of the tree below source that opt does not leave out: parents before children, the names of a directory
// in byte order, "/" first, and all that lies below a directory in one run. An error of fn ends the walk and is returned.
//
// fn runs on a thread whose working directory changes: it must not use relative paths.
//
// What cannot be read or has vanished does not end the walk; it is listed in the result. Unreadable is fatal for source itself and for
// the mount table (*MountTableError). Other errors are *RefusedError, *LeftOutError, *NotMountError, *pattern.Error, and the context's.
func Walk(ctx context.Context, source string, opt Options, fn func(*Entry) error) (*Tree, error) {
	p, err := NewPlan(source, opt)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	return p.Walk(ctx, fn)
}

// Walk walks the source of the plan, once, as the function Walk does.
func (p *Plan) Walk(ctx context.Context, fn func(*Entry) error) (*Tree, error) {
	if err := p.leave(); err != nil {
		return nil, err
	}
	opt := p.Options
	t := new(Tree)
	if err := p.openRoots(t, opt.mode); err != nil {
		t.Close()
		return nil, err
	}
	t.Mounts = p.list()
	w, err := newWalker(ctx, t, p, opt)
	if err == nil && opt.Opened != nil {
		err = opt.Opened(t)
	}
	if err == nil {
		w.fn, w.unused = fn, p.rules.watch()
		err = onOwnThread(func() error {
			w.xattrs = newXattrReader()
			return w.source(p.name)
		})
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	w.tellOrigins()
	w.tellUnused()
	return t, nil
}

// onOwnThread runs f on a thread that ends with it, so that f may change the thread. The process's first thread cannot end: if
// the scheduler offers that one, it is kept busy while f gets another. A panic of f is one of onOwnThread, with f's stack in its text.
func onOwnThread(f func() error) error {
	done := make(chan error)
	var broken error
	go func() {
		defer func() {
			if v := recover(); v != nil {
				broken = fmt.Errorf("%v\n\n%s", v, debug.Stack())
				close(done)
			}
		}()
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			err := onOwnThread(f)
			runtime.UnlockOSThread()
			done <- err
			return
		}
		done <- f() // no UnlockOSThread: the thread must not be used again
	}()
	err := <-done
	if broken != nil {
		panic(broken)
	}
	return err
}

// walker is the state of one walk.
type walker struct {
	ctx    context.Context
	fn     func(*Entry) error
	tree   *Tree
	rules  *rules
	spots  *spot
	xattrs *xattrReader

	entry Entry        // the one being made
	st    unix.Statx_t // of entry
	path  []byte       // of entry; "" for SOURCE itself
	buf   []byte       // getdents
	link  []byte       // readlink
	attrs []Xattr      // entry.Xattrs, used again
	data  []Range      // entry.Data, used again
	drop  func(string) // counts an attribute that is not taken
	hard  linkMap      // files with several links
	swap  map[identity]bool
	leave map[identity]bool

	frames []*frame // from SOURCE's directory down; those beyond depth are free to be used again
	depth  int
	held   int    // frames with an entry that is not reported yet
	last   string // path reported last
	now    time.Time

	alone, snapshots, bundles bool // Options.OneFileSystem, Options.Snapshots, Options.Bundles

	manifests int64 // bytes of those that were read

	rooms    struct{ filtered, keys, excluded, unreadable, vanished, warnings, same room }
	lastLeft string // path that was listed last as left out

	origins origins
	top     identity // of SOURCE
	unused  *unused
	keys    map[string]hostKeys // by root: "" is SOURCE itself
	secret  map[identity]bool   // Options.Secret
	head    []byte              // of a file that may be a key
}

// linkMap finds the first name of a file with several links.
type linkMap map[identity]firstName

// firstName is the first name of an inode, and what tells the inode from another one with its number.
type firstName struct {
	path  string
	btime Time
	size  int64 // bytes
}

// link returns the path of the first entry of e's inode, "" if that is e itself. A file system can give the number of a removed inode to a
// new one; the birth time tells them apart. FUSE servers without inode numbers of their own may give one number to several files at once,
// and no birth time: files of different sizes are not one.
func (l linkMap) link(e *Entry) string {
	first, ok := l[e.id()]
	born := e.Btime != Time{} && first.btime != Time{}
	if ok && maySame(first.btime, e.Btime) && (born || first.size == e.Size) {
		return first.path
	}
	l[e.id()] = firstName{e.Path, e.Btime, e.Size}
	return ""
}

// clockNames is how many names of a directory are visited between two looks at the clock, which costs as much as a system call on some
// virtual machines.
const clockNames = 64

// dentsSize is the size in bytes of the buffer for reading directories: one system call for some 8,000 names.
const dentsSize = 256 << 10

// newWalker returns a walker that has not begun.
func newWalker(ctx context.Context, t *Tree, p *Plan, opt Options) (*walker, error) {
	t.spots = p.spots(t)
	w := &walker{
		ctx: ctx, tree: t, rules: p.rules, spots: t.spots,
		buf: make([]byte, dentsSize), link: make([]byte, unix.PathMax+1),
		hard: make(linkMap), keys: make(map[string]hostKeys),
	}
	w.alone, w.snapshots, w.bundles = opt.OneFileSystem, opt.Snapshots, opt.Bundles
	w.drop = func(why string) { w.warn(w.entry.Path, why) }
	var err error
	if w.leave, err = identities(slices.Concat(opt.LeaveOut, p.shown)); err != nil {
		return nil, err
	}
	if !opt.NoDefaultExcludes {
		w.swap = swapFiles()
	}
	w.origins = p.origins()
	if w.secret, err = identities(opt.Secret); err != nil {
		return nil, err
	}
	return w, nil
}

// source reports SOURCE itself and walks it.
func (w *walker) source(name string) error {
	r := w.tree.roots[0]
	if err := statx(r.fd, "", r.statFlags, &w.st); err != nil {
		return &os.PathError{Op: "stat", Path: name, Err: err}
	}
	w.entry.set(&w.st)
	w.entry.Path = "/"
	if w.leave[w.entry.id()] {
		return &os.PathError{Op: "walk", Path: name, Err: errSourceLeftOut}
	}
	w.top = w.entry.id()
	w.tellMissing()
	if !SeesTrusted() {
		w.warn("/", unseenTrusted)
	}
	fd, err := r.open(r.fd, ".", dirFlags)
	if err != nil {
		return &os.PathError{Op: "open", Path: name, Err: err}
	}
	w.entry.Flags |= Flags(fd)
	w.readXattrsFD(r, fd)
	if err := w.emit(); err != nil {
		unix.Close(fd)
		return err
	}
	f := w.push(fd, r, w.rules.top(), w.spots)
	return w.visitAll(f)
}

// visitAll reads the names of f's directory and visits them, ending with f popped.
func (w *walker) visitAll(f *frame) error {
	f.clear()
	if f.fd >= 0 {
		if err := f.read(f.fd, w.buf, maxNames); err != nil {
			w.unreadable(w.here(), int64(w.entry.UID), err)
		}
	}
	if f.road {
		for _, name := range f.spot.roads() {
			f.add(name, unix.DT_DIR, 0)
		}
	}
	if f.devices {
		for i, d := range standardDevices() {
			f.add(d.name, typeMade, uint64(i))
		}
	}
	if f.fd >= 0 && f.scope.left == "" {
		w.meet(w.here())
	}
	f.sort()
	w.markBundles(f)
	w.enterSystem(f)
	for ; f.next < len(f.list); f.next++ {
		if err := w.ctx.Err(); err != nil {
			w.pop()
			return err
		}
		if f.next%clockNames == 0 {
			w.now = time.Now()
		}
		w.path = w.path[:f.pathLen]
		if err := w.visit(f, f.list[f.next]); err != nil {
			w.pop()
			return err
		}
		if f.lost && f.next+1 < len(f.list) {
			w.unreadable(w.pathOf(f), noOwner, errMoved)
			break
		}
	}
	w.pop()
	return nil
}

// here returns the path of the directory or entry that w.path stands for.
func (w *walker) here() string {
	if len(w.path) == 0 {
		return "/"
	}
	return string(w.path)
}

func (w *walker) pathOf(f *frame) string {
	if f.pathLen == 0 {
		return "/"
	}
	return string(w.path[:f.pathLen])
}

// emit reports the entry, after the directories above it that waited for a reason to be reported.
func (w *walker) emit() error {
	if w.held > 0 {
		for _, f := range w.frames[:w.depth] {
			if f.held == nil {
				continue
			}
			e := f.held
			f.held = nil
			w.held--
			if err := w.fn(e); err != nil {
				return err
			}
		}
	}
	w.last = w.entry.Path
	return w.fn(&w.entry)
}

func (e *Entry) id() identity { return identity{e.Dev, e.Ino} }

// fatal says whether an error is about this process and not about an entry: going on would leave out the whole rest.
func fatal(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) || errors.Is(err, unix.ENOMEM)
}

// gone says whether an error means that the name is no longer what it was.
func gone(err error) bool {
	switch err {
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP:
		return true
	}
	return false
}

func (w *walker) failed(op string, err error) error {
	return fmt.Errorf("%s %s: %w", op, path.Join("/", w.here()), err)
}
