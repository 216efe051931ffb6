package progress

import (
	"cmp"
	"math"
	"time"
)

// meterWindow is how far back the rate looks: long enough to even out a flush
// of the disk's cache, short enough to follow a change of load.
const meterWindow = 10 * time.Second

// partWindow is the same for bytes that come in whole parts: S3 acknowledges 10 MiB
// at once.
const partWindow = 60 * time.Second

// meter measures a rate over a sliding window. The zero value is ready.
type meter struct {
	samples []sample
	window  time.Duration // 0: meterWindow
}

type sample struct {
	at    time.Time
	bytes int64
}

// add notes the count at a time, and forgets what is older than the window.
func (m *meter) add(at time.Time, bytes int64) {
	m.samples = append(m.samples, sample{at, bytes})
	old, window := 0, cmp.Or(m.window, meterWindow)
	for old < len(m.samples)-2 && at.Sub(m.samples[old+1].at) >= window {
		old++
	}
	m.samples = m.samples[old:]
}

// rate returns bytes a second, 0 as long as it is not known.
func (m *meter) rate() float64 {
	if len(m.samples) < 2 {
		return 0
	}
	first, last := m.samples[0], m.samples[len(m.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds < 0.5 || last.bytes <= first.bytes {
		return 0
	}
	return float64(last.bytes-first.bytes) / seconds
}

// remaining returns how long so many bytes more will take; negative: not known.
func (m *meter) remaining(bytes int64) time.Duration {
	rate := m.rate()
	if rate <= 0 {
		return -1
	}
	seconds := math.Ceil(float64(max(bytes, 0)) / rate)
	if seconds > 1e8 {
		return -1
	}
	return time.Duration(seconds) * time.Second
}
