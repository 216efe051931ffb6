package walker

import (
	"golang.org/x/sys/unix"
)

// dataRanges asks where a regular file of size bytes has data, and appends that to ranges. One range over the whole file comes back as
// nil, a file without any as an empty slice.
func dataRanges(fd int, size int64, ranges []Range) ([]Range, error) {
	ranges = ranges[:0]
	for off := int64(0); off < size; {
		data, err := unix.Seek(fd, off, unix.SEEK_DATA)
		if err == unix.ENXIO || err == nil && data >= size {
			break
		}
		if err != nil {
			return nil, err
		}
		hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
		if err == unix.ENXIO { // the file became shorter
			break
		}
		if err != nil {
			return nil, err
		}
		hole = min(hole, size)
		ranges = append(ranges, Range{data, hole - data})
		off = hole
	}
	if len(ranges) == 1 && ranges[0] == (Range{0, size}) {
		return nil, nil
	}
	if ranges == nil {
		ranges = []Range{}
	}
	return ranges, nil
}
