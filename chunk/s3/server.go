package s3

import (
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// server is what was found out about a server: what it does not know is asked of it
// once. Stores of one bucket share it.
type server struct {
	unconditional atomic.Bool // it refuses conditions
}

// conditions returns the values of the heads If-None-Match and If-Match.
func (s *server) conditions(c condition) (noneMatch, match *string) {
	switch {
	case s.unconditional.Load():
	case c.absent:
		noneMatch = aws.String("*")
	case c.etag != "":
		match = aws.String(`"` + c.etag + `"`)
	}
	return noneMatch, match
}
