// Package create makes bundles: it plans an image of a live tree, makes its
// parts and sums up what became of it, or with --dry-run only says so.
//
// What is walked is package walker's affair, what the image looks like
// ext2img's, and how parts come together in a place chunk's. What is done with a
// bundle that is there already is in package look.
//
// # Words
//
//	SOURCE   the tree that is read
//	DEST     where the bundle goes
//	target   a DEST by what a run needs of it: a directory, a bucket
//	plan     the walk and the layout, before anything is written
//	run      one making of a bundle
//	loss     an entry that belongs in the image and is not in it as it was
//	note     a warning about what the image is called
//	edit     another text for a file that ties SOURCE to its disks
//	maker    the machine that makes a bundle, by its digest
//	summary  what is said at the end
package create
