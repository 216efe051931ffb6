package main

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	partSize = 10 << 20 // bytes
	pageSize = 4096     // bytes: each file is padded to these
)

// floor is the least that a program with this output can do: walk, read each
// file once, pad it to 4 KiB, hash, write parts of 10 MiB. There is no file
// system, no order that a reader could rely on, and no look at what changes.
type floor struct {
	dst     string
	workers int
	durable bool

	part  []clip // being filled by the walk
	fill  int64  // bytes of it
	parts chan floorPart
	count int                // parts that were sent
	seen  map[[2]uint64]bool // files with several links, by device and inode
}

// floorPart is what the next part holds, and its number.
type floorPart struct {
	n     int
	clips []clip
}

// clip is a run of a file's bytes, for one part.
type clip struct {
	path    string
	off, at int64 // bytes, in the file and in the part
	n       int64 // bytes
}

func floorCommand(args []string) error {
	fl := &floor{parts: make(chan floorPart, 4), seen: make(map[[2]uint64]bool)}
	f := flag.NewFlagSet("floor", flag.ContinueOnError)
	f.IntVar(&fl.workers, "workers", runtime.NumCPU(), "parts that are made at once")
	f.BoolVar(&fl.durable, "fsync", false, "write each part past the page cache, and sync all of them at the end")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() != 2 {
		return fmt.Errorf("floor: %d arguments: SOURCE and DEST needed", f.NArg())
	}
	fl.dst = f.Arg(1)
	return fl.run(f.Arg(0))
}

// run lets the workers make parts while the walk goes on.
func (fl *floor) run(src string) error {
	var mu sync.Mutex
	var first error
	sums := make(map[int][sha256.Size]byte)
	var wg sync.WaitGroup
	for range fl.workers {
		wg.Go(func() {
			buf, err := unix.Mmap(-1, 0, partSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON) // O_DIRECT wants a page's border
			if err != nil {
				mu.Lock()
				first = cmpErr(first, os.NewSyscallError("mmap", err))
				mu.Unlock()
				for range fl.parts { // the walk must end
				}
				return
			}
			for part := range fl.parts {
				mu.Lock()
				failed := first != nil
				mu.Unlock()
				if failed {
					continue
				}
				sum, err := fl.write(part.n, part.clips, buf)
				mu.Lock()
				sums[part.n] = sum
				first = cmpErr(first, err)
				mu.Unlock()
			}
		})
	}
	err := filepath.WalkDir(src, fl.visit)
	if len(fl.part) > 0 {
		fl.send()
	}
	close(fl.parts)
	wg.Wait()
	if err := cmpErr(err, first); err != nil {
		return err
	}
	if fl.durable {
		if err := fl.sync(fl.count); err != nil {
			return err
		}
	}
	list, err := os.Create(filepath.Join(fl.dst, "sums"))
	if err != nil {
		return err
	}
	for n := range fl.count {
		fmt.Fprintf(list, "%x  %s\n", sums[n], partName(n))
	}
	return list.Close()
}

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func partName(n int) string { return fmt.Sprintf("part.%05d", n) }

// send hands the part that is full to the workers.
func (fl *floor) send() {
	fl.parts <- floorPart{fl.count, fl.part}
	fl.count++
	fl.part, fl.fill = nil, 0
}

// visit gives a regular file its place.
func (fl *floor) visit(path string, d fs.DirEntry, err error) error {
	if err != nil || !d.Type().IsRegular() {
		return err
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	if st := info.Sys().(*syscall.Stat_t); st.Nlink > 1 {
		id := [2]uint64{st.Dev, st.Ino}
		if fl.seen[id] {
			return nil
		}
		fl.seen[id] = true
	}
	for off, size := int64(0), info.Size(); off < size; {
		n := min(size-off, partSize-fl.fill)
		fl.part = append(fl.part, clip{path, off, fl.fill, n})
		off += n
		if fl.fill += (n + pageSize - 1) / pageSize * pageSize; fl.fill == partSize {
			fl.send()
		}
	}
	return nil
}

// write makes one part.
func (fl *floor) write(n int, clips []clip, buf []byte) (sum [sha256.Size]byte, err error) {
	end := int64(0)
	for _, p := range clips {
		clear(buf[end:p.at])
		if err := p.read(buf[p.at : p.at+p.n]); err != nil {
			return sum, err
		}
		end = p.at + p.n
	}
	clear(buf[end:])
	sum = sha256.Sum256(buf)
	out, err := os.OpenFile(filepath.Join(fl.dst, partName(n)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return sum, err
	}
	if fl.durable {
		err = writeThrough(out, buf)
	} else {
		_, err = out.Write(buf)
	}
	return sum, cmpErr(err, out.Close())
}

// writeThrough writes past the page cache (O_DIRECT, open(2)), as purebundle does
// with long runs; if the file system cannot, into the cache, and has write-back
// begin at once.
func writeThrough(f *os.File, buf []byte) error {
	fd := int(f.Fd())
	if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, unix.O_DIRECT); err == nil {
		if _, err = f.WriteAt(buf, 0); !errors.Is(err, unix.EINVAL) {
			return err
		}
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFL, 0); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
	}
	if _, err := f.WriteAt(buf, 0); err != nil {
		return err
	}
	_ = unix.SyncFileRange(fd, 0, int64(len(buf)), unix.SYNC_FILE_RANGE_WRITE)
	return nil
}

// read reads with plain system calls: a poller and a finalizer for each file
// would not be the least.
func (p *clip) read(dst []byte) error {
	fd, err := unix.Open(p.path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: p.path, Err: err}
	}
	defer unix.Close(fd)
	for off := p.off; len(dst) > 0; {
		n, err := unix.Pread(fd, dst, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return &os.PathError{Op: "read", Path: p.path, Err: cmp.Or(err, error(unix.EIO))}
		}
		dst, off = dst[n:], off+int64(n)
	}
	return nil
}

// sync makes the parts durable, 16 at a time, and then their names.
func (fl *floor) sync(parts int) error {
	var mu sync.Mutex
	var first error
	var wg sync.WaitGroup
	turn := make(chan struct{}, 16)
	for n := range parts {
		turn <- struct{}{}
		wg.Go(func() {
			err := syncPath(filepath.Join(fl.dst, partName(n)))
			mu.Lock()
			first = cmpErr(first, err)
			mu.Unlock()
			<-turn
		})
	}
	wg.Wait()
	return cmpErr(first, syncPath(fl.dst))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
