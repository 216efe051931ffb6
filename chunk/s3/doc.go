// Package s3 keeps bundles of package chunk in S3, or in what speaks its API:
// parts go there and come from there without a disk in between.
//
// The objects of a bundle have the names of its files, below the directory that
// is the beginning of their keys. Every object is put by one PutObject with its
// SHA-256, which S3 checks before the object exists and keeps beside it; so what
// is there can be compared with what should be without reading it. As on disk the
// manifest is the bundle: last to come, first to go.
//
// There is no lock: of two runs that write a bundle of the same name at the same
// time, one fails when it meets what the other has put, or both do. Neither removes
// what the other has put.
//
// # Words
//
//	directory  what the keys of a bundle's objects begin with
//	object     a file of a bundle, in S3
//	location   bucket and directory
//	store      a location with the client that reaches it
//	stage      a bundle that a run is making
//	retire     remove the manifest of an older bundle
//	mark       what a run knows of an object that it has made
//	condition  what must hold of an object for it to be put
//	unsure     of a request: it may still have an effect
//	manner     how one server must be asked, once it has refused the usual way
//	remains    objects of a bundle that has no manifest
//	grace      how long a cancelled run waits for answers
//	patience   for how long a request is tried again
//
// Source: Amazon S3 API Reference; the operations are PutObject, CopyObject,
// GetObject, HeadObject, ListObjectsV2, DeleteObjects, DeleteObject, HeadBucket,
// CreateBucket and DeleteBucket.
package s3
