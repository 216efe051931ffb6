// Package memory keeps this process from taking the machine's memory from others:
// it finds out how much there is, has Go's garbage collector keep below a limit,
// cancels the work if that is not enough, and tells the kernel whom to end first
// should all memory run out nevertheless.
//
// What is counted is what Go has from the system. Mapped buffers (package work)
// are not in it; they are a few parts of 10 MiB.
//
// Sources: proc(5), "memory.max" in the kernel's cgroup-v2.rst, package
// runtime/debug.
package memory
