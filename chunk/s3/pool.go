package s3

import (
	"time"

	"purebundle/chunk/work"
)

// grace is how long a cancelled run waits for its workers: for the answers to what
// they have sent.
const grace = lateTime + 200*time.Millisecond

// crew is so many goroutines, each with a request in flight.
func crew(workers int) work.Crew { return work.Crew{Workers: workers, Grace: grace} }
