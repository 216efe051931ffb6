// Package survey tells what machine a tree is of: on which disk and partition its
// root lies, how that disk is divided, and what it starts from.
//
// [Of] asks the kernel about a directory; [Read] reads any disk, or an image of one.
// Neither writes anything. A disk may be hostile: what is allocated is bounded by
// fixed limits, whatever a table says. A GPT has two copies, which are both checked.
//
// It does not read what a file system holds: kernels, boot loaders and their
// configuration are somebody else's. It copies no disk.
//
// The package reads both kinds of tables itself because go-diskfs allocates what a
// GPT header says, knows no logical partitions, and looks at a backup GPT only if the
// first one is damaged.
//
// # Words
//
//	machine    what a tree's root lies on: a disk, and how it starts
//	disk       sectors, a partition table, and what the partitions hold
//	table      the partition table: GPT or DOS
//	range      a run of bytes of a disk
//	root       the file system that holds SOURCE's /
//	host       where the kernel tells of mounts and devices
//	BIOS boot  the partition that holds GRUB's core on a GPT
//	EFI        of a partition: the FAT that firmware reads
//
// Sources: UEFI specification 2.10, chapter 5; block/partitions of the Linux kernel;
// sysfs-block and sysfs-fs-btrfs of its ABI documentation.
package survey
