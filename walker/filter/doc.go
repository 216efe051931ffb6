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
//
// # Words
//
//	place    paths that hold the same kind of thing, relative to a root or a home
//	class    places by what they give away
//	root     a directory that holds a system
//	home     a directory of a person in a root
//	take     how much of a place is left out
//	choice   the classes that are left out of one image
//	set      the places of a choice, compiled
//	scope    what the set knows of the names in one directory
//	area     the part of a root that decides about keys
//	finding  what becomes of a file that is a key by its content
package filter
