// Package ext2img lays a tree out as an ext4 image that is never whole anywhere:
// its parts are encoded, or read from the source, when they are made.
//
// Three calls lead from a tree to an image. [Builder.Add] takes each entry of the
// tree, parents first (and Link each further name of a file). [Builder.Layout]
// gives every entry its inode and block numbers: a [Plan], from which size and free
// space are known before anything is written. [Plan.Make] asks for the parts: those
// with file data first, so that the metadata, which comes last, can tell what
// really became of each file, and the report says it.
//
// # Words
//
//	source  the tree that is read
//	entry   a name of the source, with its inode
//	node    an inode of the image, numbered by its first name
//	block   4,096 bytes
//	run     blocks side by side
//	span    a run that one node uses
//	part    PartSize bytes of the image, made in one go
//	batch   parts that are to be made now
//	held    file data that shares a part with metadata: kept in memory
//	late    a file that outgrew its blocks: read last, into free parts
//	clip    what one read of the image takes from one file
//	change  an entry that is not in the image as the walk saw it
//	unfit   an entry that ext4, or a limit here, cannot hold
//	gone    a node that is not in the image after all
//
// On-disk formats are those of Documentation/filesystems/ext4 in the Linux
// kernel. Features: has_journal ext_attr dir_index filetype extent 64bit
// flex_bg sparse_super large_file huge_file dir_nlink extra_isize
// metadata_csum resize_inode; 4 KiB blocks, 256-byte inodes. Not supported:
// orphan_file, metadata_csum_seed, large_dir, inline_data, casefold, quota.
//
// Limits, each of which leaves out one entry with all below it: names of 255
// bytes, paths of 64 KiB, targets of 4,095 bytes, files of 16 TiB, 258,570 blocks
// of names in a directory, 2^31 entries, 8 GiB of names and targets in all.
package ext2img
