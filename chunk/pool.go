package chunk

import (
	"slices"
	"time"

	"purebundle/chunk/work"
)

// grace is how long a cancelled run waits for its workers.
const grace = 300 * time.Millisecond

// crew is so many goroutines; 0 is one a processor.
func crew(workers int) work.Crew { return work.Crew{Workers: workers, Grace: grace} }

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// numbers is 0 … n-1.
func numbers(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}
