package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxSize is the largest size that the command line takes: 64 TiB, the largest
// volume that clouds offer. Its parts number 6,710,887.
const maxSize = int64(64) << 40 // bytes

// units are the binary multiples that a size may end in, by their first
// letter. "10G", "10GB", "10GiB" and "10g" are the same number of bytes.
var units = map[byte]int64{
	'k': 1 << 10, 'm': 1 << 20, 'g': 1 << 30, 't': 1 << 40, 'p': 1 << 50, 'e': 1 << 60,
}

// parseSize reads a number of bytes with an optional binary unit: "10GiB",
// "2G", "1.5T", "500M", "4096", "4096B". The error says what is wrong with it.
func parseSize(s string) (int64, error) {
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
	return fmt.Errorf("too large: at most %s", formatSize(maxSize))
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

// formatSize writes bytes for people: binary units, at most one decimal,
// never rounded up to a unit's end ("1023.9 MiB", not "1024 MiB").
func formatSize(bytes int64) string {
	if bytes < 0 {
		return "-" + formatSize(-max(bytes, -math.MaxInt64))
	}
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	unit, div := 0, int64(1024)
	for ; unit < 5 && bytes/1024 >= div; unit++ {
		div *= 1024
	}
	whole, tenths := bytes/div, bytes%div/(div/1024)*10/1024
	name := "KMGTPE"[unit : unit+1]
	if tenths == 0 {
		return fmt.Sprintf("%d %siB", whole, name)
	}
	return fmt.Sprintf("%d.%d %siB", whole, tenths, name)
}

// formatCount writes n with thousands separated: 1,234,567.
func formatCount(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural writes "1 part", "2 parts"; many is the plural where it is not one+"s".
func plural(n int64, one string, many ...string) string {
	if n == 1 {
		return "1 " + one
	}
	word := one + "s"
	if len(many) > 0 {
		word = many[0]
	}
	return formatCount(n) + " " + word
}

// sizeFlag is the value of --size: bytes, or 0 for "auto".
type sizeFlag int64

func (f *sizeFlag) Type() string { return "SIZE" }

func (f *sizeFlag) String() string {
	if *f == 0 {
		return "auto"
	}
	return formatSize(int64(*f))
}

func (f *sizeFlag) Set(s string) error {
	if strings.EqualFold(strings.TrimSpace(s), "auto") {
		*f = 0
		return nil
	}
	size, err := parseSize(s)
	if err == nil && size == 0 {
		err = errors.New(`must be more than zero; "auto" fits the content`)
	}
	*f = sizeFlag(size)
	return err
}

// freeFlag is the value of --free: room in bytes or in percent of the content.
type freeFlag struct {
	bytes   int64
	percent int
}

func (f *freeFlag) Type() string { return "SIZE|N%" }

func (f *freeFlag) String() string {
	if f.percent > 0 || f.bytes == 0 {
		return strconv.Itoa(f.percent) + "%"
	}
	return formatSize(f.bytes)
}

func (f *freeFlag) Set(s string) error {
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
		*f = freeFlag{percent: n}
		return nil
	}
	size, err := parseSize(s)
	*f = freeFlag{bytes: size}
	return err
}
