// Package disk makes the image of a whole disk around that of its root file system:
// boot code, partition table, the partitions that a boot loader reads, and last root,
// which so can grow.
//
// As with package ext2img, the image is never whole anywhere. [Place] says where the
// partitions of a [Table] lie; [Layout.Params] changes the parameters of root's image
// accordingly; [Layout.Image] joins both, and [Image.Make] makes the parts, in the
// order that root's image asks for.
//
//	0 ────────────────────────────── lead ─────────────────────────── Tail ──┐
//	│ boot code, GPT, boot partitions │ root's ext4, from a part's start │ GPT │
//
// Boot partitions keep number, type, name, UUID and attributes, and if they can
// their place, because boot code has block numbers in it. An EFI system partition is
// copied cluster by cluster: those that are free are zero in the image, whatever they
// hold on the source.
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
// GNU GRUB, grub-core/boot/i386/pc/boot.S and diskboot.S; FAT: Microsoft's
// specification of 2000, and fs/fat of the Linux kernel.
package disk
