// Package sparse is a device in memory of which only what is not zero takes memory:
// what go-diskfs writes a file system or a partition table into.
package sparse
