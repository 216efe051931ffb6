package main

import (
	"time"

	"purebundle/chunk/work"
)

// transfers is so many parts in flight. When they are stopped, each is waited for:
// it may be at work on a file.
func transfers(workers int) work.Crew {
	return work.Crew{Workers: max(1, workers), Grace: time.Minute}
}

// numbersFrom is first … end-1.
func numbersFrom(first, end int) []int {
	var list []int
	for i := first; i < end; i++ {
		list = append(list, i)
	}
	return list
}
