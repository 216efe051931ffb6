// Package esp completes an EFI system partition.
//
// A machine remembers in its NVRAM which loader it starts; a new machine remembers none,
// and looks for EFI/BOOT/BOOTX64.EFI alone. [Missing] says what an EFI system partition
// lacks for that, taken from its own directories or from the tree of the machine.
//
// A shim starts the GRUB beside it, or fallback (fbx64.efi) if that is there, which reads
// BOOTX64.CSV of the directories beside its own. So a shim is added with its GRUB and
// without fallback, and where fallback is there, the CSV is.
package esp
