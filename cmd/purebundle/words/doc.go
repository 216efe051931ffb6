// Package words writes sizes, counts, times and names for people: "1.5 GiB",
// "2 parts", "3m07s", a name that is safe on a terminal or in a shell.
//
// Sentences are not here: a command writes its own. It imports no other room.
package words
