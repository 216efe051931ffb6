// Package ebs keeps disks in EBS: snapshots are written block by block, and read,
// without a volume, a machine or a disk in between.
//
// [Client.Create] makes a [Writer], which takes parts in any order, as a chunk.Writer
// does; [Writer.Commit] seals the snapshot and waits until it can be used.
// [Client.Open] reads a snapshot that is complete, whoever made it; one that was made here
// is a chunk.Bundle, too, and can be the parent of the next one ([Snapshot.Bundle],
// Making.Parent). The package does not know what a disk holds.
//
// A block of 512 KiB that is never put reads as zeros in a volume that is not
// encrypted, and as random bytes in one that is, also if only the volume is: so what is
// zero is put all the same, unless nothing there is in use (Making.InUse).
//
// Source: Amazon EBS direct API reference and user guide, "Use EBS direct APIs to
// access the contents of an EBS snapshot"; the operations are StartSnapshot,
// PutSnapshotBlock, CompleteSnapshot, ListSnapshotBlocks and GetSnapshotBlock; of EC2,
// DescribeSnapshots and DeleteSnapshot.
package ebs
