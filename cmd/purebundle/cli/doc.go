// Package cli is what all commands have in common: the App, which knows where
// to write and how much; the types of flags; help, manual pages, completion and
// suggestions; errors with a hint, the exit statuses, and signals.
//
// No command is here, nor anything that only one command needs. How progress is
// drawn is in package progress, how figures and names are written in package
// words; this package imports those two and no other room.
//
// # Words
//
//	app         streams and how much is said
//	room        a package of commands
//	group       flags under one heading of the help
//	hint        the one sentence of advice below an error
//	usage       of an error: the command line makes no sense, status 2
//	incomplete  of a run: done, but something is missing, status 3
//	broken      of an error: a fault of the program itself
//	place       a directory on this machine, or s3://
package cli
