// Package create makes bundles: it plans an image of a live tree, makes its
// parts and sums up what became of it, or with --dry-run only says so.
//
// What is walked is package walker's affair, what the image looks like
// ext2img's, and how parts come together in a place chunk's. What is done with a
// bundle that is there already is in package look.
package create
