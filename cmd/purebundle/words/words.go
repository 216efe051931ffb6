package words

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Rate writes bytes a second.
func Rate(rate float64) string { return Size(int64(rate)) + "/s" }

// Duration writes a duration as people say it: 4s, 3m07s, 2h05m.
func Duration(d time.Duration) string {
	s := int64(d.Round(time.Second) / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	default:
		return fmt.Sprintf("%dh%02dm", s/3600, s/60%60)
	}
}

// Size writes bytes for people: binary units, at most one decimal,
// never rounded up to a unit's end ("1023.9 MiB", not "1024 MiB").
func Size(bytes int64) string {
	if bytes < 0 {
		return "-" + Size(-max(bytes, -math.MaxInt64))
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

// Count writes n with thousands separated: 1,234,567.
func Count(n int64) string {
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

// Plural writes "1 part", "2 parts"; many is the plural if it is not one+"s".
func Plural(n int64, one string, many ...string) string {
	if n == 1 {
		return "1 " + one
	}
	word := one + "s"
	if len(many) > 0 {
		word = many[0]
	}
	return Count(n) + " " + word
}

// Seconds writes a run's time: tenths while they matter.
func Seconds(seconds float64) string {
	if seconds < 60 {
		return fmt.Sprintf("%.1fs", seconds)
	}
	return Duration(time.Duration(seconds * float64(time.Second)))
}
