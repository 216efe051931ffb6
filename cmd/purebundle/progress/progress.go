package progress

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"purebundle/cmd/purebundle/words"
)

// The rules of output. Results (summaries, listings, JSON) go to stdout;
// progress, warnings and errors to stderr. A bar is drawn only if stderr is
// a terminal that can move its cursor; elsewhere a line is printed at each
// phase and every ten seconds, without control characters. There is no colour,
// so NO_COLOR is kept by having nothing to switch off. Names of files are made
// printable before they are shown.

// Phase says what a run is doing.
type Phase int32

const (
	Starting Phase = iota
	Scanning
	Writing
	Reading // verify, unbundle
	Uploading
	Downloading
	Finishing
)

// counts says whether a phase goes through the bytes of an image.
func (p Phase) counts() bool { return p >= Writing && p <= Downloading }

func (p Phase) String() string {
	return [...]string{"starting", "scanning", "writing", "reading", "uploading", "downloading", "finishing"}[p]
}

// counters hold what a run knows of its progress. The work adds to them, the
// painter reads them; neither waits for the other.
type counters struct {
	phase atomic.Int32

	Entries, Found atomic.Int64 // scanning: entries met, bytes in their files
	Dir            atomic.Pointer[string]

	Bytes, AllBytes atomic.Int64 // writing: image bytes made, and to make
	Parts, AllParts atomic.Int64
	Kept            atomic.Int64 // parts that are those of a base
}

// snapshot is one reading of the counters.
type snapshot struct {
	phase           Phase
	entries, found  int64
	dir             string
	bytes, allBytes int64
	parts, allParts int64
	kept            int64
	rate            float64       // bytes a second of late; 0: not known yet
	remaining       time.Duration // how long it will still take; negative: not known
	elapsed         time.Duration // since the phase began
}

// painter shows progress in one form.
type painter interface {
	every() time.Duration // how often to paint
	paint(s snapshot)     // the state now
	begin(s snapshot)     // a phase has begun
	note(n Note)          // something that must stay readable
	end()                 // leave the screen as it should be
}

// Note is a line that is printed whatever the progress does.
type Note struct {
	Kind string // "warning" or "note"
	path string // as it is, not yet printable; may be empty
	Text string
}

func (n Note) String() string {
	text := n.Text
	if n.path != "" {
		text = n.path + ": " + text
	}
	if n.Kind == "warning" {
		text = "warning: " + text
	}
	return words.Printable(text)
}

// UI owns the painter and the goroutine that drives it.
type UI struct {
	counters
	mu          sync.Mutex
	painter     painter // nil: none
	Silent      bool    // there never was one
	ForPrograms bool    // who reads it is one
	meter       meter
	window      time.Duration // of the meter; 0: the usual one
	began       time.Time     // the phase
	stop        chan struct{}
	done        chan struct{}
}

// New starts showing progress on w in the given mode.
func New(w io.Writer, mode Mode) *UI {
	u := &UI{painter: newPainter(w, mode), ForPrograms: mode == JSON, began: time.Now()}
	if u.Silent = u.painter == nil; u.Silent {
		return u
	}
	u.stop, u.done = make(chan struct{}), make(chan struct{})
	go u.drive(u.painter.every())
	return u
}

func (u *UI) drive(every time.Duration) {
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

// Begin starts a phase.
func (u *UI) Begin(p Phase) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.phase.Store(int32(p))
	u.began = time.Now()
	u.meter = meter{window: u.window}
	if u.painter != nil {
		u.painter.begin(u.snapshot())
	}
}

// InParts says that bytes come in whole parts, for the rate.
func (u *UI) InParts() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.window, u.meter.window = partWindow, partWindow
}

// Warn prints a warning above the bar.
func (u *UI) Warn(path, text string) { _ = u.Print(Note{"warning", path, text}) }

// Say prints a line above the bar.
func (u *UI) Say(path, text string) { _ = u.Print(Note{"note", path, text}) }

// Print prints a note, unless nothing is shown any more, or at all.
func (u *UI) Print(n Note) (printed bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.painter == nil {
		return false
	}
	u.painter.note(n)
	return true
}

// Close stops the painting and clears the bar away. It may be called twice.
func (u *UI) Close() {
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
func (u *UI) snapshot() snapshot {
	now := time.Now()
	s := snapshot{
		phase:   Phase(u.phase.Load()),
		entries: u.Entries.Load(), found: u.Found.Load(),
		bytes: u.Bytes.Load(), allBytes: u.AllBytes.Load(),
		parts: u.Parts.Load(), allParts: u.AllParts.Load(), kept: u.Kept.Load(),
		elapsed: now.Sub(u.began),
	}
	s.bytes = min(s.bytes, s.allBytes)
	if dir := u.Dir.Load(); dir != nil {
		s.dir = *dir
	}
	if s.phase.counts() {
		u.meter.add(now, s.bytes)
	}
	s.rate, s.remaining = u.meter.rate(), u.meter.remaining(s.allBytes-s.bytes)
	return s
}

// Mode is the value of --progress.
type Mode string

const (
	Auto  Mode = "auto"
	Bar   Mode = "bar"
	Plain Mode = "plain"
	JSON  Mode = "json"
	None  Mode = "none"
)

func (m *Mode) Type() string   { return "HOW" }
func (m *Mode) String() string { return string(*m) }

func (m *Mode) Set(s string) error {
	switch mode := Mode(s); mode {
	case Auto, Bar, Plain, JSON, None:
		*m = mode
		return nil
	}
	return errors.New("choose auto, bar, plain, json or none")
}

// newPainter returns the painter of a mode, nil if nothing is to be shown. Auto is a bar on a terminal that
// can move its cursor, plain lines elsewhere.
func newPainter(w io.Writer, mode Mode) painter {
	file, _ := w.(*os.File)
	if mode == Auto {
		mode = Plain
		if file != nil && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb" {
			mode = Bar
		}
	}
	switch mode {
	case Bar:
		return &barPainter{w: w, width: columns(file)}
	case Plain:
		return &plainPainter{w: w}
	case JSON:
		return &jsonPainter{w: w}
	}
	return nil
}

// columns returns a function that measures the terminal each time it is asked, so
// that the bar follows a resize. Without a terminal it returns 80.
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
