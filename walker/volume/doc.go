// Package volume tells what a file system is called: label and UUID of an ext2,
// ext3, ext4, XFS, btrfs or F2FS, as the kernel says, and of these and of vfat, as
// the superblock does.
//
// It only reads devices, finds them by what the kernel says of a directory, and
// never by a name that somebody gave. Which of a tree's mounts go into an image is
// package walker's affair, and how a disk is divided package survey's.
//
// Identify reads the superblock of anything that has one, which may be hostile: it
// reads at most a few MiB and follows nothing without a bound. At is for mounted file
// systems. OpenDevice opens a block device by its number.
//
// # Words
//
//	names      of a file system: label and UUID
//	probe      a look at the first bytes for one kind of superblock
//	kind       of a file system: how the kernel is asked for its names
//	ambiguous  with the superblocks of several kinds
package volume
