// Package ext2img lays a tree out as an ext4 image that is never materialised:
// the image is an io.ReaderAt whose blocks are encoded, or read from the
// source, when they are asked for.
//
// A Builder takes the entries of the tree, parents first. Layout gives every
// one its inode and block numbers over a file system that go-diskfs creates in
// memory: a Plan. Its Make says which parts to make when: those that hold file
// data first, so that the metadata, which comes last, can tell what really
// became of each file.
//
// On-disk formats are those of Documentation/filesystems/ext4 in the Linux
// kernel. Features: has_journal ext_attr dir_index filetype extent 64bit
// flex_bg sparse_super large_file huge_file dir_nlink extra_isize
// metadata_csum; 4 KiB blocks, 256-byte inodes. Not supported: resize_inode,
// orphan_file, metadata_csum_seed, large_dir, inline_data, casefold, quota.
package ext2img
