// Package chunk stores an image as a bundle: parts of exactly 10 MiB, their
// digests, and a manifest.
//
// A bundle of prefix P is, in one directory:
//
//	P.part.000 …      the image, cut; "cat P.part.*" in a shell is the image
//	P.sha256          digests of the parts, as sha256sum -c reads them
//	P.manifest.json   what is in the bundle and how it was made (Manifest)
//
// The manifest is the bundle: it appears last and goes first, so if it is there,
// all that it names is whole.
//
// Create and Writer.Commit make a bundle in a directory, Make in any place; Load
// opens one in a directory, Open in any place; Copy makes one of another. Places
// are directories (package dir) and buckets (package s3), formats this one and
// Amazon's (package ec2): a new place implements Place and Maker, a new format
// makes items of its own for a Stage.
//
// It does not know what an image is: any io.ReaderAt whose length is a multiple
// of Size will do. It does not compress or encrypt.
//
// # Words
//
//	bundle      parts, digests and manifest of one image
//	part        Size bytes of the image, or of Amazon's stream; a file of the bundle
//	prefix      what all names of a bundle begin with; of keys in S3: directory
//	place       where bundles are: a directory of this machine, of a bucket
//	stage       what a run has made in a place and not yet published
//	item        one file of a stage
//	key         an item's name in its stage
//	publish     give all items their names, the manifest last
//	keep        not make an item that the place has already
//	older       the bundle that is being replaced
//	leftover    what a killed run has not cleaned up
//	settle      finish or undo what a killed run was publishing
//	damaged     not what the manifest says
package chunk

// Size is the length of every part, in bytes.
const Size = 10 << 20
