package s3

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"

	"purebundle/chunk"
)

// server is what was found out about a server: what it does not know is asked of it
// once. Stores of one bucket share it.
type server struct {
	warn          func(text string) // if not nil, of Options
	unconditional atomic.Bool       // it refuses conditions
	uncopying     sync.Once         // it refuses copies
}

// noCopies tells once that copies fail, as err says, and what follows.
func (s *server) noCopies(err error, what string) {
	if e, ok := errors.AsType[*chunk.Error](err); ok {
		err = e.Err
	}
	s.uncopying.Do(func() {
		if s.warn != nil {
			s.warn(fmt.Sprintf("copies within the server fail (%v): %s", err, what))
		}
	})
}

// cannotCopy returns true if a server has refused a copy because it knows none.
func cannotCopy(err error) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented}, httpStatus(err))
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
