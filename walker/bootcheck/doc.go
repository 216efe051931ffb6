// Package bootcheck judges, before anything is made, whether a machine will start from
// what a tree holds, and where.
//
// [Find] finds what a machine starts from: kernels, initrds, boot loaders for EFI;
// [Files.Lacks] says what a tree lacks to start from a disk that is made anew.
//
// It only reads, and nothing outside the tree. It starts nothing, checks no signature,
// and does not know what becomes of a machine after its root is mounted.
package bootcheck
