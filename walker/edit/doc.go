// Package edit converts the few texts that tie a machine to the file systems it is on:
// fstab, and the kernel command lines of its boot loaders. A tree that moves from XFS,
// btrfs or several disks into one ext4 starts from there only if they follow.
//
// [Facts] say what moved; [Facts.Files] lists which files are to be edited, and how.
// [Facts.Grub] is for a grub.cfg that lies elsewhere, such as in an EFI system
// partition. Texts go in and come out as bytes: what needs no change stays as it is,
// byte for byte, and a text that is edited once is not edited again.
//
// It reads no file and asks no kernel. It leaves alone what it does not understand, and
// does not judge whether a machine starts.
//
// # Words
//
//	facts   what moved, and into what
//	volume  a file system by all its names
//	moved   a directory with two names: a path in a subvolume, and that in root
//	merged  of a mount: its content is in root now
//	absent  of a device: it does not come along
//	change  what one edit did, in a sentence
//	line    of fstab: what, where, type, options, dump, pass
//
// Sources: fstab(5), mount(8), systemd.mount(5), Documentation/filesystems/ext4 and
// fs/ext4/super.c (options), bootparam(7), the GRUB manual (grub.cfg, the environment
// block), the Boot Loader Specification.
package edit
