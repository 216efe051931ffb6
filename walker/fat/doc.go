// Package fat reads FAT file systems as far as one must know them who copies them:
// where things lie, which clusters are in use, the label, and whether the table is sound.
//
// It reads no file and writes nothing. A file system may be hostile: what is read and
// what is allocated is bounded, whatever it says.
//
// Sources: Microsoft's FAT specification 1.03, under whose names the fields of the BIOS
// parameter block are here, and fs/fat of the Linux kernel.
package fat
