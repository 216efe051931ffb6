// Package dir is a directory in which files appear together: all of a group or
// none, whatever fails or is killed.
//
// Begin locks the directory and puts right what killed runs left; Stage.Put makes
// files under temporary names; Stage.Publish gives all of them their names, the
// last one last, with a journal by which the next Begin finishes or undoes it. A
// single file is the smallest case: CreateFile, File.Publish.
//
// It does not know what a bundle is: which files belong together is said by its
// caller. It does not copy, and it does not lock single files that others read.
//
// Sources: open(2), rename(2), fsync(2), flock(2), lseek(2), sync_file_range(2).
package dir
