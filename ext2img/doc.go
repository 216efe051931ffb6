// Package ext2img lays a tree out as an ext4 image that is never materialised:
// the image is an io.ReaderAt whose blocks are encoded, or read from the
// source, when they are asked for.
//
// A Builder takes the entries of the tree, parents first. Layout gives every
// one its inode and block numbers over a file system that go-diskfs creates in
// memory. The parts of the image that hold file data are read first. Seal then
// takes what really happened to the files while they were read into the
// metadata, and the remaining parts are read.
//
// On-disk formats are those of Documentation/filesystems/ext4 in the Linux
// kernel. Features: has_journal ext_attr dir_index filetype extent 64bit
// flex_bg sparse_super large_file huge_file dir_nlink extra_isize
// metadata_csum; 4 KiB blocks, 256-byte inodes. Not supported: resize_inode,
// orphan_file, metadata_csum_seed, large_dir, inline_data, casefold, quota.
package ext2img
