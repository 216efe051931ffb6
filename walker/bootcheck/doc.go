// Package bootcheck judges, before anything is made, whether a machine will start from
// what a tree holds, and where.
//
// [Check] judges a tree: by which firmware it starts, what its kernel and initrd bring,
// and whether the command line, fstab, SELinux and network configuration are those of a
// machine that is elsewhere tomorrow. Each [Finding] says what it found, why it matters,
// and the command that cures it. [Find] only finds what a machine starts from, and
// [Files.Lacks] says what a tree lacks to start from a disk that is made anew.
//
// It only reads, and nothing outside the tree; files of the tree may be hostile, and are
// read up to fixed limits. It starts nothing and checks no signature. Of several kernels it
// judges the one that starts, of configuration what it understands: that nothing is found
// is no proof.
//
// Sources: the GRUB manual and GRUB 2.06, the Boot Loader Specification, bootparam(7),
// fstab(5), systemd.mount(5), the UEFI specification (removable media), netplan's
// reference, systemd.net-naming-scheme(7), nm-settings-keyfile(5), interfaces(5), and the
// manuals of dracut, initramfs-tools and mkinitcpio.
package bootcheck
