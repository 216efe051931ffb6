// Package extfs reads ext4 file systems and checks them.
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
