// Package grubimage tells which modules are built into an image of GRUB: what file
// systems it reads before it can load anything from one.
//
// [EFI] reads a program for EFI firmware such as grubx64.efi, [Core] what a BIOS starts
// from the gap behind an MBR or from a BIOS boot partition (core.img). What is not an
// image of GRUB is [ErrNone]. Sizes are bounded; an image may be hostile.
//
// It runs nothing, checks no signature, and reads no configuration but the directory
// in which GRUB looks for it.
//
// Sources: include/grub/kernel.h, include/grub/offsets.h, util/mkimage.c and
// grub-core/boot/i386/pc of GRUB 2.06; the PE format of Microsoft.
package grubimage
