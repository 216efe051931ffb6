package walker

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pkg/xattr"
	"golang.org/x/sys/unix"
)

// xattrReader reads extended attributes of names in a directory. There is no system call for that before Linux 6.13, and opening
// each file is out of the question (devices, FIFOs, symbolic links); so the thread that walks gets a working directory of its own, and the
// names are looked up in it.
type xattrReader struct {
	private bool // this thread has its own working directory
	at      int  // the directory that is the working directory, by its file descriptor; -1 none
	prefix  string
}

// newXattrReader must run on a thread that is locked and dies afterwards: its working directory is no longer the process's. Where
// unshare is forbidden (containers do), names are reached through proc instead.
func newXattrReader() *xattrReader {
	return &xattrReader{private: unix.Unshare(unix.CLONE_FS) == nil, at: -1}
}

// enter makes the directory fd the one that names are looked up in.
func (x *xattrReader) enter(fd int) error {
	if x.at == fd {
		return nil
	}
	x.at = -1
	if x.private {
		x.prefix = ""
		if err := unix.Fchdir(fd); err != nil {
			return err
		}
	} else {
		x.prefix = fdPath(fd) + "/"
	}
	x.at = fd
	return nil
}

// leave forgets the directory fd, whose number will mean another one.
func (x *xattrReader) leave(fd int) {
	if x.at == fd {
		x.at = -1
	}
}

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// has returns true if a name may have attributes.
func (x *xattrReader) has(name string) bool {
	n, err := unix.Llistxattr(x.prefix+name, nil)
	return n > 0 || err != nil && err != unix.ENOTSUP
}

// readFD appends the attributes of what fd stands for, which may be open with O_PATH, to list, in name order. drop is called with the
// reason for each one that is not taken.
func (r *root) readFD(fd int, list []Xattr, drop func(why string)) ([]Xattr, error) {
	path := fdPath(fd)
	found, err := xattr.List(path)
	for errors.Is(err, unix.ERANGE) { // one was added between the question for the size and the question for the names
		found, err = xattr.List(path)
	}
	switch {
	case errors.Is(err, unix.ENOTSUP):
		return list, nil
	case errors.Is(err, unix.E2BIG):
		drop("more extended attributes than the kernel lists (64 KiB of names): only those of security, ACLs and layers are in the image")
		found = askedByName
	case err != nil:
		return list, errno(err)
	}
	users := 0 // bytes of attributes user.*
	for _, name := range found {
		if acl := aclTwins[name]; acl != "" && slices.Contains(found, acl) {
			continue
		}
		if name == capability && r.takes.noSuid {
			drop(capText)
			continue
		}
		if why := refuseXattr(name); why != "" {
			drop(why)
			continue
		}
		value, err := xattr.Get(path, name)
		switch {
		case err == nil && users+len(value) > maxUserXattrs && strings.HasPrefix(name, "user."):
			drop(fmt.Sprintf("more than %d KiB of extended attributes user.*: the rest of them is left out", maxUserXattrs>>10))
		case err == nil:
			if strings.HasPrefix(name, "user.") {
				users += len(value)
			}
			list = append(list, Xattr{name, value})
		case errors.Is(err, xattr.ENOATTR): // gone again, or never there
		case errors.Is(err, unix.ENOTSUP): // asked for by name, of a file system without it
		default:
			drop(fmt.Sprintf("extended attribute %s cannot be read: %v", name, errno(err)))
		}
	}
	if len(list) > 1 {
		slices.SortFunc(list, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	}
	return list, nil
}

// errno returns the innermost cause: the library's error names a path of ours that tells the user nothing.
func errno(err error) error {
	var e *xattr.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// maxUserXattrs bounds the values of attributes user.* of one file, in bytes, which anybody can set: XFS and btrfs take thousands of them,
// each of 64 KiB, where ext4 takes 4 KiB of all.
const maxUserXattrs = 1 << 20

// capability is the attribute that gives a program privileges.
const capability = "security.capability"

// askedByName has the attributes that decide what a file may do, who may use it and what it means in an overlay. They are asked for by name
// if a file has so many that listxattr(2) cannot list them (XATTR_LIST_MAX).
var askedByName = []string{
	capability, "security.selinux", "security.ima", "security.apparmor",
	"security.SMACK64", "security.SMACK64EXEC", "security.SMACK64MMAP", "security.SMACK64TRANSMUTE",
	"system.posix_acl_access", "system.posix_acl_default",
	"trusted.overlay.opaque", "trusted.overlay.redirect", "trusted.overlay.metacopy",
}

// overlayOwn has the attributes by which an overlay finds its layers again (Documentation/filesystems/overlayfs.rst): they name inodes and
// the UUID of the file system that they are on. The others (opaque, redirect, metacopy) are what a layer means.
var overlayOwn = map[string]bool{
	"trusted.overlay.origin": true, "trusted.overlay.upper": true, "trusted.overlay.uuid": true,
	"trusted.overlay.nlink": true, "trusted.overlay.impure": true,
}

// aclTwins has the names under which XFS lists a POSIX ACL a second time, for who may see trusted.*, and the ACL (xfs_xattr_put_listent): the
// value is XFS's own form, of which no other file system knows. Nothing is lost without it. Of btrfs, F2FS, ext4 and tmpfs none has such twins:
// btrfs.* and F2FS's system.advise are refused by their namespace.
var aclTwins = map[string]string{
	"trusted.SGI_ACL_FILE": "system.posix_acl_access", "trusted.SGI_ACL_DEFAULT": "system.posix_acl_default",
}

// refuseXattr says why an attribute does not go into an image, "" if it does. Those that other file systems show in namespaces of
// their own, or make up under system., mean nothing in ext4, which knows user, trusted, security and POSIX ACLs.
func refuseXattr(name string) string {
	space, _, _ := strings.Cut(name, ".")
	switch {
	case name == "security.evm":
		return "extended attribute security.evm left out: it signs the inode number and the file system"
	case overlayOwn[name]:
		return "extended attributes trusted.overlay.* left out that name the old file system: origin, upper, uuid, nlink, impure"
	case space == "user", space == "trusted", space == "security":
		return ""
	case name == "system.posix_acl_access", name == "system.posix_acl_default":
		return ""
	case name == "system.nfs4_acl", name == "system.nfs4_dacl", name == "system.nfs4_sacl", name == "system.richacl":
		return "access control list " + name + " left out: ext4 cannot hold it"
	case space == "system":
		return "extended attribute " + name + " left out: its file system makes it up"
	}
	return "extended attributes " + space + ".* left out: ext4 cannot hold them"
}

// readXattrs fills in the extended attributes of an entry that is not open. Few have any; those are pinned by a descriptor, so that
// attributes are never one file's and owner and permissions another's. It returns errReplaced if the name got another inode meanwhile.
func (w *walker) readXattrs(o *object) error {
	switch {
	case o.covered || o.root.noXattrs:
		return nil
	case o.name == "":
		w.readXattrsFD(o.root, o.dir)
		return nil
	}
	if err := w.xattrs.enter(o.dir); err != nil {
		w.setXattrs(err)
		return nil
	}
	if !w.xattrs.has(o.name) {
		return nil
	}
	fd, err := w.pin(o)
	switch {
	case err == errReplaced || fatal(err):
		return err
	case err != nil:
		w.attrs = w.attrs[:0]
		w.setXattrs(err)
		return nil
	}
	w.readXattrsFD(o.root, fd)
	unix.Close(fd)
	return nil
}

// readXattrsFD does what readXattrs does, for an entry that fd stands for.
func (w *walker) readXattrsFD(r *root, fd int) {
	if r.noXattrs {
		return
	}
	var err error
	w.attrs, err = r.readFD(fd, w.attrs[:0], w.drop)
	w.setXattrs(err)
}

func (w *walker) setXattrs(err error) {
	if err != nil {
		w.warn(w.entry.Path, "extended attributes cannot be read: "+err.Error())
	}
	if len(w.attrs) > 0 {
		w.entry.Xattrs = w.attrs
	}
}
