// Package walker lists a live directory tree for bundling: every entry with its metadata, in a stable order, and later the
// bytes of the regular files.
//
// It decides by the kernel's mount table which mounts belong to the tree, and lets the kernel enforce the decision: each
// crossed mount is walked through a private, read-only clone of it (open_tree(2), Linux 5.2), in which no other mount is
// visible. Where that is refused, openat2(2) with RESOLVE_NO_XDEV does it (Linux 5.6), and below that a check of the mount ID
// after each open. Directories and files on proc and sysfs are refused whatever the mount table said.
//
// It does not write, follow symbolic links, trigger automounts, enter a mount that appears while it walks, or change access
// times (without a clone, reading a symbolic link's target may change the link's own, and an ordinary user's reading those
// of other people's directories). It does not read file data, apart from asking where the holes of a sparse file are.
//
// Sources: mount_namespaces(7), proc_pid_mountinfo(5), open_tree(2), openat2(2), statx(2), getdents(2), xattr(7), and
// Documentation/filesystems/ in the kernel tree.
package walker
