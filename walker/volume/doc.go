// Package volume reads what a file system is called from its superblock: label
// and UUID of an ext2, ext3 or ext4.
//
// It only reads devices, finds them by what the kernel says of a directory, and
// never by a name that somebody gave. Which of a tree's mounts go into an image is
// package walker's affair.
//
// Read takes a superblock from anything that has one; At finds the device first.
package volume
