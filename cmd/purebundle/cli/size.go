package cli

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"purebundle/cmd/purebundle/words"
)

// maxSize is the largest size that the command line takes: 64 TiB, the largest
// volume that clouds offer. Its parts number 6,710,887.
const maxSize = int64(64) << 40 // bytes

// units are the binary multiples that a size may end in, by their first
// letter. "10G", "10GB", "10GiB" and "10g" are the same number of bytes.
var units = map[byte]int64{
	'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30, 't': 1 << 40, 'p': 1 << 50, 'e': 1 << 60,
}

// ParseSize reads a number of bytes with an optional binary unit: "10GiB",
// "2G", "1.5T", "500M", "4096", "4096B". The error says what is wrong with it.
func ParseSize(s string) (int64, error) {
	number, unit, err := splitSize(s)
	if err != nil {
		return 0, err
	}
	var size float64
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		if whole > math.MaxInt64/unit {
			return 0, tooLarge()
		}
		if whole*unit > maxSize {
			return 0, tooLarge()
		}
		return whole * unit, nil
	}
	size, err = strconv.ParseFloat(number, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errors.New("not a size; write 10GiB, 2G, 500M or a number of bytes")
	}
	size *= float64(unit)
	if size > float64(maxSize) {
		return 0, tooLarge()
	}
	if size != math.Trunc(size) {
		return 0, errors.New("not a whole number of bytes")
	}
	return int64(size), nil
}

func tooLarge() error {
	return fmt.Errorf("too large: at most %s", words.Size(maxSize))
}

// splitSize cuts s into its digits and the bytes that its unit stands for.
func splitSize(s string) (number string, unit int64, err error) {
	s = strings.TrimSpace(s)
	digits := strings.TrimLeft(s, "0123456789.")
	number, suffix := strings.TrimSpace(s[:len(s)-len(digits)]), strings.ToLower(strings.TrimSpace(digits))
	switch {
	case s == "":
		return "", 0, errors.New("empty; write 10GiB, 2G, 500M or a number of bytes")
	case strings.HasPrefix(s, "-"):
		return "", 0, errors.New("a size cannot be negative")
	case number == "" || number == "." || strings.Count(number, ".") > 1:
		return "", 0, errors.New("not a size; write 10GiB, 2G, 500M or a number of bytes")
	case suffix == "" || suffix == "b":
		return number, 1, nil
	}
	unit, known := units[suffix[0]]
	if rest := suffix[1:]; !known || rest != "" && rest != "b" && rest != "ib" {
		return "", 0, fmt.Errorf("unknown unit %q; use K, M, G or T (binary: 1K is 1024 bytes)", strings.TrimSpace(digits))
	}
	return number, unit, nil
}

// Size is the value of --size: bytes, or 0 for "auto".
type Size int64

func (f *Size) Type() string { return "SIZE" }

func (f *Size) String() string {
	if *f == 0 {
		return "auto"
	}
	return words.Size(int64(*f))
}

func (f *Size) Set(s string) error {
	if strings.EqualFold(strings.TrimSpace(s), "auto") {
		*f = 0
		return nil
	}
	size, err := ParseSize(s)
	if err == nil && size == 0 {
		err = errors.New(`must be more than zero; "auto" fits the content`)
	}
	*f = Size(size)
	return err
}

// Free is the value of --free: room in bytes or in percent of the content.
type Free struct {
	Bytes   int64
	Percent int
}

func (f *Free) Type() string { return "SIZE|N%" }

func (f *Free) String() string {
	if f.Percent > 0 || f.Bytes == 0 {
		return strconv.Itoa(f.Percent) + "%"
	}
	return words.Size(f.Bytes)
}

func (f *Free) Set(s string) error {
	if number, ok := strings.CutSuffix(strings.TrimSpace(s), "%"); ok {
		n, err := strconv.Atoi(strings.TrimSpace(number))
		switch {
		case errors.Is(err, strconv.ErrRange) || err == nil && n > 10000:
			return errors.New("at most 10000%")
		case err != nil:
			return errors.New("not a percentage; write 10%")
		case n < 0:
			return errors.New("room cannot be negative")
		}
		*f = Free{Percent: n}
		return nil
	}
	size, err := ParseSize(s)
	*f = Free{Bytes: size}
	return err
}
