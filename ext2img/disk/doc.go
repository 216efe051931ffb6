// Package disk makes the image of a whole disk around those of its file systems:
// boot code, partition table, the partitions that a boot loader reads, and last root,
// which so can grow.
//
// As with package ext2img, the image is never whole anywhere. [Place] says where the
// partitions of a [Table] lie; [Layout.Params] changes the parameters of root's image
// accordingly; [Layout.Image] joins it with the file systems, and [Image.Make] makes the
// parts, in the order that each file system asks for.
//
//	0 ───────────────────────────────────────────── lead ───────────────── Tail ──┐
//	│ boot code, GPT, copied partitions │ ext4 of /boot │ ext4 of the root │ GPT │
//	                                    └ each from a part's start on
//
// Partitions keep number, type, name, UUID and attributes. Those that are copied keep
// their place, too, if they can, because boot code has block numbers in it; a caller
// says what of them is in use (the clusters of a FAT), and all else is zero in the image,
// whatever the source holds. GRUB finds /boot by number or UUID, not by place.
//
// # Words
//
//	lead            what lies before root
//	tail            the second copy of a GPT, behind root
//	region          a run of bytes before root, and where it comes from
//	root            the partition with the file system that is made
//	boot partition  one that firmware or GRUB reads: BIOS boot, EFI
//	cluster         the unit in which a FAT gives out space
//	layout          where everything lies
//	snapshot        a region as it was at one moment
//
// Sources: UEFI specification 2.10, chapter 5 (GPT) and 13.3 (EFI system partition);
// GNU GRUB, grub-core/boot/i386/pc/boot.S and diskboot.S.
package disk
