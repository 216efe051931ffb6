// Package volume tells what a file system is called: label and UUID of an ext2,
// ext3, ext4, XFS, btrfs or F2FS, as the kernel says, or the superblock of an ext.
//
// It only reads devices, finds them by what the kernel says of a directory, and
// never by a name that somebody gave. Which of a tree's mounts go into an image is
// package walker's affair.
//
// Read takes the superblock of an ext from anything that has one; At is for mounted
// file systems.
package volume
