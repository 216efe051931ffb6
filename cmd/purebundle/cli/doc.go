// Package cli is what all commands have in common: the App, which knows where
// to write and how much; the types of flags; help, manual pages, completion and
// suggestions; errors with a hint, the exit statuses, and signals.
//
// No command is here, nor anything that only one command needs. How progress is
// drawn is in package progress, how figures and names are written in package
// words; this package imports those two and no other room.
package cli
