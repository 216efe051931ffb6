// Package fat reads FAT file systems as far as one must know them who copies them:
// where things lie, which clusters are in use, the label, and whether the table is sound.
//
// A [Volume] is one that can be read and changed: files get a content, and directories are
// made, in memory alone. [Format] makes an empty one. Nothing is removed or renamed.
//
// A file system may be hostile: what is read and what is allocated is bounded, whatever it
// says. go-diskfs v1.9.4 does not do that: it does not come back from a circle of
// clusters, writes a second table over the data of a volume that has one, and gives out
// clusters behind the end.
//
// Sources: Microsoft's FAT specification 1.03, under whose names the fields of the BIOS
// parameter block are here, and fs/fat of the Linux kernel.
package fat
