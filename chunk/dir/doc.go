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
// # Words
//
//	group      the files that appear together; its name begins theirs
//	stage      a group that is being made, with the directory locked
//	item       a file of a group
//	temporary  of a name: what a file is called until it is published
//	publish    give all items their names, the last one last
//	journal    the list by which a publishing that was cut is finished or undone
//	backup     a file that is being replaced, under a name of its own meanwhile
//	settle     finish or undo what killed runs left
//	scratch    a directory inside the directory, for one run alone
//	ours       made by a run of this user, as far as the kernel can tell
//	mine       of this run, by device, inode and owner
//	stranger   whoever else can make files there; also a file of his
//	shared     of a directory: strangers can make files in it
//	trusted    of a directory: the caller says that strangers may be believed
//	unclean    failed, and something that was made could not be removed
//
// Sources: open(2), rename(2), fsync(2), flock(2), lseek(2), sync_file_range(2).
package dir
