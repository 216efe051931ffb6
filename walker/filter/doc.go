// Package filter knows the places of a tree that an image should not carry: secrets, histories, what makes a machine itself, and logs.
// The places are data, one table a class; rules of a package's own mind (a key by its content) are in files of their own.
//
// A root is a directory that holds a system: the tree's own, and any other with an etc/passwd or an os-release, as a chroot or a btrfs
// subvolume. Each root has homes: /root, all of /home, and those in its etc/passwd. A place is named below a root, below a home, or by
// what it is called in any directory.
//
// A walk takes three steps. New compiles the places of a Choice. Set.Root returns the Scope of a root's directory, Set.Descend that of a
// directory below. Set.Match finds the place that a name is.
//
// The package opens no file and leaves nothing out itself: what becomes of a place is the walker's to do. It names no file that a package
// ships, and nothing like *.pem everywhere, which would take CA bundles along. No such list finds everything.
package filter
