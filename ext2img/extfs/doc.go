// Package extfs reads ext4 file systems and checks them.
//
// [Open] takes the image. [FS.Check] says what is wrong with it, if anything.
// [FS.Lookup] finds the inode of a path, for ReadDir, File, Readlink and Xattrs.
//
// # Words
//
//	inode      what an inode says of itself, checked as far as reading needs
//	segment    a run of logical blocks of an inode, or a hole
//	node       a block of an extent tree, or of a hashed directory's index
//	leaf       a block of directory entries
//	claim      to note a block as in use; twice is a problem
//	problem    something that e2fsck, or the kernel, would not accept
//
// It reads what mke2fs, the kernel and package ext2img make: extents and
// block maps, linear and hashed directories, extended attributes in inodes
// and in blocks, checksums. It refuses what it does not know: a journal that
// needs recovery, meta_bg, bigalloc, inline_data, encrypt, casefold, ea_inode,
// and external journals. It writes nothing.
//
// An image may be hostile. No image makes it panic or loop; what it allocates
// is bounded by fixed limits and, for Check, by one bit a block and a few
// bytes an inode of what the image really holds; directories and file content
// are streamed. Names, symlink targets and xattr values are bytes.
//
// Source: Documentation/filesystems/ext4 of the Linux kernel, and the
// behaviour of e2fsck 1.47.
package extfs
