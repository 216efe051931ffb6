package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What an ordinary user can plant in a tree. None of it takes much disk; the
// question is what it costs whoever bundles the tree.

// nested makes directories inside one another.
func (f *filler) nested() error {
	dir, err := os.Open(f.path)
	if err != nil {
		return err
	}
	for range f.scaled(10_000) {
		name := string(rune('a' + f.rand.IntN(26)))
		err := unix.Mkdirat(int(dir.Fd()), name, 0o755)
		var sub *os.File
		if err == nil {
			sub, err = openAt(int(dir.Fd()), name, unix.O_DIRECTORY)
		}
		dir.Close()
		if err != nil {
			return &os.PathError{Op: "make", Path: name, Err: err}
		}
		dir = sub
		if err := unix.Mknodat(int(dir.Fd()), "file", unix.S_IFREG|0o644, 0); err != nil {
			return os.NewSyscallError("mknodat", err)
		}
	}
	return dir.Close()
}

// targets makes symbolic links with long targets.
func (f *filler) targets() error {
	target := make([]byte, 4000)
	for i := range target {
		target[i] = 'a' + byte(f.rand.IntN(26))
	}
	return f.many(f.scaled(250_000), 1000, func(n int) error {
		copy(target, f.name(n))
		return os.Symlink(string(target), filepath.Join(f.path, fmt.Sprintf("directory-%04d/link-%07d", n/1000, n)))
	})
}

// longNames makes files with the longest names that there are.
func (f *filler) longNames() error {
	tail := make([]byte, 255)
	for i := range tail {
		tail[i] = 'a' + byte(f.rand.IntN(26))
	}
	return f.many(f.scaled(1_000_000), 10_000, func(n int) error {
		name := (f.name(n) + string(tail))[:255]
		return unix.Mknod(filepath.Join(f.path, fmt.Sprintf("directory-%04d", n/10_000), name), unix.S_IFREG|0o644, 0)
	})
}

// oneDirectory makes names in one directory. Few inodes have all of them, so that
// any file system takes them.
func (f *filler) oneDirectory() error {
	const links = 50_000 // ext4 takes 65,000
	first := ""
	return f.many(f.scaled(2_000_000), 2_000_000, func(n int) error {
		name := filepath.Join(f.path, "directory-0000", f.name(n))
		if n%links != 0 {
			return unix.Link(first, name)
		}
		first = name
		return os.WriteFile(name, []byte("content"), 0o644)
	})
}

// swapFiles makes files that the filter leaves out, each with its own line.
func (f *filler) swapFiles() error {
	return f.many(f.scaled(100_000), 10_000, func(n int) error {
		name := fmt.Sprintf("directory-%04d/.%s.swp", n/10_000, f.name(n))
		return unix.Mknod(filepath.Join(f.path, name), unix.S_IFREG|0o644, 0)
	})
}

// attributes makes files of which each has attributes of its own.
func (f *filler) attributes() error {
	value := make([]byte, 3900)
	return f.many(f.scaled(100_000), 10_000, func(n int) error {
		name := filepath.Join(f.path, fmt.Sprintf("directory-%04d/%s", n/10_000, f.name(n)))
		if err := unix.Mknod(name, unix.S_IFREG|0o644, 0); err != nil {
			return err
		}
		_, _ = f.bytes.Read(value)
		return unix.Setxattr(name, "user.planted", value, 0)
	})
}

// many calls plant for each number below n, with a directory for so many of them.
func (f *filler) many(n, inDir int, plant func(n int) error) error {
	for i := range n {
		if i%inDir == 0 {
			if err := os.Mkdir(filepath.Join(f.path, fmt.Sprintf("directory-%04d", i/inDir)), 0o755); err != nil {
				return err
			}
			if f.ctx.Err() != nil {
				return context.Cause(f.ctx)
			}
		}
		if err := plant(i); err != nil {
			return fmt.Errorf("plant %d of %d: %w", i, n, err)
		}
	}
	return nil
}
