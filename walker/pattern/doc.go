// Package pattern matches the names of a tree against patterns of paths while something walks down it.
//
// A pattern that begins with "/" is anchored at the top of the tree; any other matches in every directory. Within a name, * matches any
// characters, ? one, [a-z] or [!a-z] one of a set, and \ takes the next character as it is. ** also matches across "/": alone between
// slashes it stands for any number of directories, and at the end for everything below. A "/" at the end lets the pattern match
// directories only. Names are bytes and compared as they are: nothing is resolved, and "." and ".." never match.
//
// A walk takes three steps. NewSet compiles patterns; Set.Top returns the States of the tree's own directory. Set.Match judges each name
// of a directory by that directory's States. Set.Descend returns the States of a directory below. So a name costs one comparison for each
// pattern that can still match there, not one match of its whole path for each pattern.
//
// The package reads no file system and knows no rules: what a match means, and which of several sets wins, is the caller's.
package pattern
