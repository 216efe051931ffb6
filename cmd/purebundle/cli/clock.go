package cli

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"time"

	"purebundle/ext2img"
)

// SourceDateEpoch is the environment variable of reproducible builds: seconds
// since 1970, the latest time that output may hold.
const SourceDateEpoch = "SOURCE_DATE_EPOCH"

// Times that both an ext4 superblock and its inodes hold: 32 bits of seconds. Files
// may have others, from 1901 to 2446.
const (
	minTime = 0         // 1970-01-01T00:00:00Z
	maxTime = 1<<32 - 1 // 2106-02-07T06:28:15Z
)

// Clock holds the value of --time, the latest time that the image may hold. If it
// is not set, no time is changed.
type Clock struct {
	latest ext2img.Time
	set    bool
}

func (c *Clock) Type() string { return "T" }

func (c *Clock) String() string {
	if !c.set {
		return ""
	}
	return "@" + strconv.FormatInt(c.latest.Sec, 10)
}

func (c *Clock) Set(s string) error {
	t, err := parseTime(s)
	if err != nil {
		return err
	}
	*c = Clock{latest: t, set: true}
	return nil
}

// parseTime reads RFC 3339, "2026-01-31 12:00:00" or "2026-01-31" (UTC), or
// "@" and seconds since the epoch.
func parseTime(s string) (ext2img.Time, error) {
	s = strings.TrimSpace(s)
	var t ext2img.Time
	if seconds, ok := strings.CutPrefix(s, "@"); ok {
		sec, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return t, errors.New("after @ comes a whole number of seconds since 1970")
		}
		t.Sec = sec
	} else {
		parsed, err := parseDate(s)
		if err != nil {
			return t, err
		}
		t = ext2img.Time{Sec: parsed.Unix(), Nsec: uint32(parsed.Nanosecond())}
	}
	if t.Sec < minTime || t.Sec > maxTime {
		return t, errors.New("outside of what an ext4 superblock holds, 1970-01-01 to 2106-02-07")
	}
	return t, nil
}

func parseDate(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("not a time; write 2026-01-31T12:00:00Z, 2026-01-31 or @1769860800")
}

// FromEnvironment sets the clock from SOURCE_DATE_EPOCH unless --time has.
func (c *Clock) FromEnvironment() error {
	value, ok := os.LookupEnv(SourceDateEpoch)
	if c.set || !ok || value == "" {
		return nil
	}
	if err := c.Set("@" + value); err != nil {
		return Usagef("bundle: %s %s: %w", SourceDateEpoch, value, err)
	}
	return nil
}

// Limit returns the latest time that the image may hold, nil without a limit.
func (c *Clock) Limit() *ext2img.Time {
	if !c.set {
		return nil
	}
	return &c.latest
}
