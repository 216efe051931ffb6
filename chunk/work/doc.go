// Package work is what doing many parts at once takes: goroutines that stop soon,
// a progress function that is called once at a time, buffers, and what was fetched last.
package work
