// Package progress shows how far a run has come: a bar, lines, or JSON, with the
// rate and the time left. The work counts, a goroutine of its own paints.
//
// What a command prints when it is done is not progress: that is the command's.
//
// # Words
//
//	phase     what a run is doing: scanning, writing
//	counter   a figure that the work adds to
//	snapshot  all counters at one moment
//	painter   one form of showing a snapshot
//	note      a line that stays
//	meter     the rate of the last seconds
package progress
