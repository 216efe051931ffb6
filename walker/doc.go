// Package walker lists a live directory tree for bundling: every entry with its metadata, in a stable order, and later the
// bytes of the regular files.
//
// [Mounts] says what would be walked, [Walk] walks it (a [Plan] does both, with one look at the mount table), and [Tree.Open] opens the regular files afterwards.
//
// It decides by the kernel's mount table which mounts belong to the tree, and lets the kernel enforce the decision: each
// crossed mount is walked through a private, read-only clone of it (open_tree(2), Linux 5.2), in which no other mount is
// visible. If that is refused, openat2(2) with RESOLVE_NO_XDEV does it (Linux 5.6), and below that a check of the mount ID
// after each open. Directories and files on proc and sysfs are refused whatever the mount table said.
//
// It does not write, follow symbolic links, trigger automounts, enter a mount that appears while it walks, or change access
// times (without a clone, reading a symbolic link's target may change the link's own, and an ordinary user's reading those
// of other people's directories). It does not read file data, apart from asking for the holes of a sparse file, from etc/passwd, and from
// small files where a key may lie.
//
// # Words
//
//   - SOURCE: the directory that is walked; paths of entries begin there.
//   - entry: one name of the tree with its metadata, as the callback gets it.
//   - identity: the device and inode number by which the running system tells files apart.
//   - rule: a pattern, default or filter by which a path is left out.
//   - verdict: what the rules decided about one name.
//   - fate: what a verdict does to an entry: keep, drop, empty.
//   - scope: what the rules know about the names of one directory.
//   - left out: not in the tree, by a rule or the mount policy.
//   - crossed: walked as part of SOURCE, although it is another mount.
//   - refused: left out whatever the options say.
//   - twin: a second mount of contents that the walk meets elsewhere.
//   - holder: the mount that a mount's mount point lies on.
//   - mount point: the directory or file that a mount is seen at.
//   - root: the way into a crossed mount, and its guard.
//   - spot: a path below SOURCE that is, or leads to, a mount point.
//   - frame: a directory whose names are being visited.
//   - parked: a frame whose directory is closed until the walk comes back to it.
//   - covered: below a mount, so that it cannot be seen.
//   - unreadable: belongs in the tree, but the system would not give it.
//   - vanished: listed by its directory and gone at the look.
//
// Sources: mount_namespaces(7), proc_pid_mountinfo(5), open_tree(2), openat2(2), statx(2), getdents(2), xattr(7), and
// Documentation/filesystems/ in the kernel tree.
package walker
