package s3

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"purebundle/chunk"
)

// server is what was found out about a server: what it does not know is asked of it
// once. Stores of one bucket share it.
type server struct {
	warn          func(text string) // if not nil, of Options
	unconditional atomic.Bool       // it refuses conditions
	unsummed      atomic.Bool       // it refuses x-amz-checksum-sha256 on what is put, or nobody wants it
	unsumming     atomic.Bool       // it refuses x-amz-checksum-mode on what is asked for, or nobody wants it
	uncopying     sync.Once         // what was told: it refuses copies,
	untrusted     sync.Once         // and checksums,
	unlike        sync.Once         // and nothing tells what its objects hold
}

func (s *server) tell(once *sync.Once, text string) {
	once.Do(func() {
		if s.warn != nil {
			s.warn(text)
		}
	})
}

// noCopies tells once that copies fail, as err says, and what follows.
func (s *server) noCopies(err error, what string) {
	if e, ok := errors.AsType[*chunk.Error](err); ok {
		err = e.Err
	}
	s.tell(&s.uncopying, fmt.Sprintf("copies within the server fail (%v): %s", err, what))
}

// noSums tells once that checksums of S3's are refused.
func (s *server) noSums() {
	s.tell(&s.untrusted, "the server refuses checksums (x-amz-checksum-): Content-MD5 guards what is sent, and the digests of the manifest what is fetched")
}

// noLikeness tells once that an object cannot be compared without fetching it.
func (s *server) noLikeness(name string) {
	s.tell(&s.unlike, "the server has neither a SHA-256 nor an MD5 of "+name+": parts that are there already cannot be compared, and are sent again")
}

// manner is how a request is made for servers that do not know all.
type manner struct{ unconditional, unsummed bool }

// put makes a request for an object with send: if the server refuses it for what the
// request asks besides, without conditions, without a checksum, or without both. What
// helped is remembered.
func (s *server) put(cond condition, send func(m manner) error) error {
	was := manner{s.unconditional.Load(), s.unsummed.Load()}
	err := send(was)
	for _, m := range []manner{{true, was.unsummed}, {was.unconditional, true}, {true, true}} {
		switch {
		case !cond.refused(err) && !sumRefused(err):
			return err
		case m == was, m.unconditional && !was.unconditional && !cond.refused(err):
			continue
		}
		again := send(m)
		if cond.refused(again) || sumRefused(again) || httpStatus(again) == 0 && again != nil {
			continue
		}
		s.unconditional.Store(m.unconditional)
		if m.unsummed && !s.unsummed.Swap(true) {
			s.noSums()
		}
		return again
	}
	return err
}

// sumRefused returns true if a server may have refused a request because it knows no
// checksums.
func sumRefused(err error) bool {
	switch httpStatus(err) {
	case http.StatusNotImplemented:
		return true
	case http.StatusBadRequest: // an answer to HEAD has no code of S3's
		api, ok := errors.AsType[smithy.APIError](err)
		return !ok || slices.Contains([]string{"", "BadRequest", "InvalidArgument", "InvalidRequest", "NotImplemented"}, api.ErrorCode())
	}
	return false
}

// get makes a request that asks for the checksum of an object with send: without, if
// the server refuses that.
func (s *server) get(mode types.ChecksumMode, send func(mode types.ChecksumMode) error) error {
	if s.unsumming.Load() {
		mode = ""
	}
	err := send(mode)
	if mode == "" || !sumRefused(err) {
		return err
	}
	if again := send(""); again == nil || httpStatus(again) != 0 && !sumRefused(again) {
		if !s.unsumming.Swap(true) {
			s.noSums()
		}
		return again
	}
	return err
}

// cannotCopy returns true if a server has refused a copy because it knows none.
func cannotCopy(err error) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusNotImplemented}, httpStatus(err))
}

// conditions returns the values of the heads If-None-Match and If-Match.
func (m manner) conditions(c condition) (noneMatch, match *string) {
	switch {
	case m.unconditional:
	case c.absent:
		noneMatch = aws.String("*")
	case c.etag != "":
		match = aws.String(`"` + c.etag + `"`)
	}
	return noneMatch, match
}

// conditions returns the headers for c that the server takes, as far as it is known.
func (s *server) conditions(c condition) (noneMatch, match *string) {
	return manner{unconditional: s.unconditional.Load()}.conditions(c)
}
