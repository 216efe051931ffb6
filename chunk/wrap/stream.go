package wrap

import (
	"fmt"
	"io"
)

// Stream is a File that goes through a pipe: what is written must come in order.
type Stream struct {
	w    io.Writer
	at   int64 // bytes that were written
	size int64 // bytes; what lacks at the end is zero
}

// NewStream returns a File that is written to w, for a Format that is not Back.
func NewStream(w io.Writer) *Stream { return &Stream{w: w} }

// WriteSparse implements File.
func (s *Stream) WriteSparse(p []byte, off int64) error {
	if off < s.at {
		return fmt.Errorf("write at byte %d behind %d of a pipe", off, s.at)
	}
	if err := s.fill(off); err != nil {
		return err
	}
	n, err := s.w.Write(p)
	s.at += int64(n)
	return err
}

// Truncate implements File: what is shorter at the end is filled by Close.
func (s *Stream) Truncate(size int64) error {
	s.size = size
	return nil
}

// Close writes what lacks to the size.
func (s *Stream) Close() error { return s.fill(s.size) }

// fill writes zeros up to an offset.
func (s *Stream) fill(to int64) error {
	if to <= s.at {
		return nil
	}
	n, err := io.CopyN(s.w, zeros{}, to-s.at)
	s.at += n
	return err
}
