package main

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"
)

// The rules of output. Results (summaries, listings, JSON) go to stdout;
// progress, warnings and errors to stderr. A bar is drawn only where stderr is
// a terminal that can move its cursor; elsewhere a line is printed at each
// phase and every ten seconds, without control characters. There is no colour,
// so NO_COLOR is kept by having nothing to switch off. Names of files are made
// printable before they are shown.

// phase is what a run is doing.
type phase int32

const (
	starting phase = iota
	scanning
	writing
	reading // verify, unbundle
	uploading
	downloading
	finishing
)

// counts says whether a phase goes through the bytes of an image.
func (p phase) counts() bool { return p >= writing && p <= downloading }

func (p phase) String() string {
	return [...]string{"starting", "scanning", "writing", "reading", "uploading", "downloading", "finishing"}[p]
}

// counters are what a run knows of its progress. The work adds to them, the
// painter reads them; neither waits for the other.
type counters struct {
	phase atomic.Int32

	entries, found atomic.Int64 // scanning: entries met, bytes in their files
	dir            atomic.Pointer[string]

	bytes, allBytes atomic.Int64 // writing: image bytes made, and to make
	parts, allParts atomic.Int64
}

// snapshot is one reading of the counters.
type snapshot struct {
	phase           phase
	entries, found  int64
	dir             string
	bytes, allBytes int64
	parts, allParts int64
	rate            float64       // bytes a second of late; 0: not known yet
	left            time.Duration // time left; negative: not known
	elapsed         time.Duration // since the phase began
}

// painter shows progress in one form.
type painter interface {
	every() time.Duration // how often to paint
	paint(s snapshot)     // the state now
	begin(s snapshot)     // a phase has begun
	note(n note)          // something that must stay readable
	end()                 // leave the screen as it should be
}

// note is a line that is printed whatever the progress does.
type note struct {
	kind string // "warning" or "note"
	path string // as it is, not yet printable; may be empty
	text string
}

func (n note) String() string {
	text := n.text
	if n.path != "" {
		text = n.path + ": " + text
	}
	if n.kind == "warning" {
		text = "warning: " + text
	}
	return printable(text)
}

// ui owns the painter and the goroutine that drives it.
type ui struct {
	counters
	mu      sync.Mutex
	painter painter // nil: none
	meter   meter
	window  time.Duration // of the meter; 0: the usual one
	began   time.Time     // the phase
	stop    chan struct{}
	done    chan struct{}
}

// newUI starts showing progress on w in the given mode.
func newUI(w io.Writer, mode progressMode) *ui {
	u := &ui{painter: newPainter(w, mode), began: time.Now()}
	if u.painter == nil {
		return u
	}
	u.stop, u.done = make(chan struct{}), make(chan struct{})
	go u.drive(u.painter.every())
	return u
}

func (u *ui) drive(every time.Duration) {
	defer close(u.done)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-u.stop:
			return
		case <-ticker.C:
			u.mu.Lock()
			u.painter.paint(u.snapshot())
			u.mu.Unlock()
		}
	}
}

// begin starts a phase.
func (u *ui) begin(p phase) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.phase.Store(int32(p))
	u.began = time.Now()
	u.meter = meter{window: u.window}
	if u.painter != nil {
		u.painter.begin(u.snapshot())
	}
}

// inParts says that bytes come in whole parts, for the rate.
func (u *ui) inParts() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.window, u.meter.window = partWindow, partWindow
}

// warn prints a warning above the bar.
func (u *ui) warn(path, text string) { _ = u.print(note{"warning", path, text}) }

// say prints a line above the bar.
func (u *ui) say(path, text string) { _ = u.print(note{"note", path, text}) }

// print prints a note, unless nothing is shown any more, or at all.
func (u *ui) print(n note) (printed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.painter == nil {
		return false
	}
	u.painter.note(n)
	return true
}

// close stops the painting and clears the bar away. It may be called twice.
func (u *ui) close() {
	if u.stop == nil {
		return
	}
	close(u.stop)
	<-u.done
	u.mu.Lock()
	defer u.mu.Unlock()
	u.painter.end()
	u.painter, u.stop = nil, nil
}

// snapshot reads the counters and feeds the meter. Callers hold u.mu.
func (u *ui) snapshot() snapshot {
	now := time.Now()
	s := snapshot{
		phase:   phase(u.phase.Load()),
		entries: u.entries.Load(), found: u.found.Load(),
		bytes: u.bytes.Load(), allBytes: u.allBytes.Load(),
		parts: u.parts.Load(), allParts: u.allParts.Load(),
		elapsed: now.Sub(u.began),
	}
	s.bytes = min(s.bytes, s.allBytes)
	if dir := u.dir.Load(); dir != nil {
		s.dir = *dir
	}
	if s.phase.counts() {
		u.meter.add(now, s.bytes)
	}
	s.rate, s.left = u.meter.rate(), u.meter.left(s.allBytes-s.bytes)
	return s
}

// progressMode is the value of --progress.
type progressMode string

const (
	progressAuto  progressMode = "auto"
	progressBar   progressMode = "bar"
	progressPlain progressMode = "plain"
	progressJSON  progressMode = "json"
	progressNone  progressMode = "none"
)

func (m *progressMode) Type() string   { return "HOW" }
func (m *progressMode) String() string { return string(*m) }

func (m *progressMode) Set(s string) error {
	switch mode := progressMode(s); mode {
	case progressAuto, progressBar, progressPlain, progressJSON, progressNone:
		*m = mode
		return nil
	}
	return errors.New("choose auto, bar, plain, json or none")
}

// newPainter picks the painter; nil for none. Auto is a bar on a terminal that
// can move its cursor, plain lines elsewhere.
func newPainter(w io.Writer, mode progressMode) painter {
	file, _ := w.(*os.File)
	if mode == progressAuto {
		mode = progressPlain
		if file != nil && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
			mode = progressBar
		}
	}
	switch mode {
	case progressBar:
		return &barPainter{w: w, width: columns(file)}
	case progressPlain:
		return &plainPainter{w: w}
	case progressJSON:
		return &jsonPainter{w: w}
	}
	return nil
}

// columns gives a function that measures the terminal each time it is asked,
// so that the bar follows a resize; 80 where there is none to measure.
func columns(file *os.File) func() int {
	return func() int {
		if file != nil {
			if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
				return width
			}
		}
		return 80
	}
}
