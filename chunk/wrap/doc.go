// Package wrap writes a disk image in the files that clouds and emulators take: as it
// is, or with what they want around it.
//
//	raw    the image, as it is
//	vhd    a fixed VHD, as Azure takes it: the image, then a footer
//	qcow2  version 3, without clusters that are all zero: QEMU, libvirt, OpenStack, Proxmox
//	gcp    disk.raw, whole GiB, in a GNU tar compressed by gzip: Google Compute Engine
//
// Sources: docs/interop/qcow2.rst of QEMU; Virtual Hard Disk Image Format
// Specification 1.0 of Microsoft; the requirements of Google's and Azure's import
// documentation.
package wrap
