package chunk

import (
	"context"
	"sync"

	"purebundle/chunk/work"
)

// Abort removes all that w made, the directory too if Create made it and it is
// empty. An older bundle stays as it was. After Commit or Abort it does nothing.
func (w *Writer) Abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	return w.discard()
}

// discard is Abort with w.mu held.
func (w *Writer) discard() error {
	var temps []string
	for i, p := range w.parts {
		if p.begun {
			temps = append(temps, partTemp(w.prefix, i))
		}
	}
	temps = append(temps, tempName(SumsName(w.prefix)), tempName(ManifestName(w.prefix)), tempName(journalName(w.prefix)))
	err := removeAll(w.dir, temps)
	removeDirs(w.made) // before the lock goes: the next run must not get a directory that vanishes
	w.close()
	return err
}

// close lets go of the directory and the buffers.
func (w *Writer) close() {
	w.closed = true
	w.bufs.Drop()
	w.dir.f.Close()
}

// removeAll removes files, several at once: giving back the blocks of a large
// file takes a while. It reports the first error, having tried all.
func removeAll(d *dir, names []string) error {
	workers := 0
	if d.fault != nil {
		workers = 1 // tests stop the clock at each change
	}
	var mu sync.Mutex
	var first error
	_ = work.Each(context.Background(), crew(workers), names, func(_ context.Context, name string) error {
		if err := d.remove(name); err != nil {
			mu.Lock()
			defer mu.Unlock()
			if first == nil {
				first = err
			}
		}
		return nil
	})
	return first
}
