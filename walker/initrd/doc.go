// Package initrd lists what is in an initial RAM file system (initrd, initramfs): the
// file that a boot loader gives to a kernel of Linux.
//
// Such a file is one or more archives of cpio's format "newc", one after the other:
// plain ones first, as those with microcode are, then one that is compressed, by gzip,
// xz, zstd, lz4 (both of its forms), bzip2 or lzma. [Walk] calls a function for each
// name in all of them. Nothing is unpacked, and memory is bounded whatever the file says:
// 128 MiB for the widest window of zstd, 64 MiB for xz.
//
// It reads no LZO, no BCJ filters of xz, and nothing behind an archive that zstd, lz4 or
// lzma compressed. Check sums are those of the decompressors; xz's are not looked at.
//
// Sources: Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c
// of the Linux kernel; the .xz file format 1.2.1; LZ4 frame format.
package initrd
