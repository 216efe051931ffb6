// Package chunk stores an image as a bundle: parts of exactly 10 MiB, their
// digests, and a manifest.
//
// A bundle of prefix P is, in one directory:
//
//	P.part.000 …      the image, cut; "cat P.part.*" in a shell is the image
//	P.sha256          digests of the parts, as sha256sum -c reads them
//	P.manifest.json   what is in the bundle and how it was made (Manifest)
//
// The manifest is the bundle: it appears last and goes first, so where it is,
// all that it names is whole. See Writer for what a crash can leave.
//
// It does not know what an image is: any io.ReaderAt whose length is a multiple
// of Size will do. It does not compress or encrypt.
//
// Needs Linux; flock(2), rename(2), lseek(2) (SEEK_DATA) and sync_file_range(2)
// are the sources.
package chunk

// Size is the length of every part, in bytes.
const Size = 10 << 20
