package wrap_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"purebundle/chunk/wrap"
)

const piece = 10 << 20 // bytes, as parts are

// file is a File in a file that is longer than what is written, as a used one may be.
type file struct{ *os.File }

func (f file) WriteSparse(p []byte, off int64) error { _, err := f.WriteAt(p, off); return err }

// image makes a raw image of some pieces with data here and there, and one that is
// zero, such as a disk has.
func image(t *testing.T, pieces int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(int64(pieces) * piece); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, uint64(pieces)))
	for i := range pieces {
		if i == 1 {
			continue
		}
		b := make([]byte, 1+r.IntN(300_000))
		for j := range b {
			b[j] = byte(r.Uint32())
		}
		if _, err := f.WriteAt(b, int64(i)*piece+r.Int64N(piece-int64(len(b)))); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []int64{0, int64(pieces)*piece - 1} { // the borders
		if _, err := f.WriteAt([]byte{0xAB}, at); err != nil {
			t.Fatal(err)
		}
	}
	return name
}

// write wraps an image, by several goroutines if the format lets it.
func write(t *testing.T, name, raw string) string {
	t.Helper()
	format, err := wrap.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out."+name)
	f, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := format.Open(file{f}, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	put := func(off int64) {
		b := make([]byte, piece)
		if _, err := in.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		if err := w.Write(b, off); err != nil {
			t.Error(err)
		}
	}
	for off := int64(0); off < st.Size(); off += piece {
		if format.InOrder {
			put(off)
		} else {
			all.Go(func() { put(off) })
		}
	}
	all.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestQEMU has qemu-img judge and compare the formats that it reads.
func TestQEMU(t *testing.T) {
	for format, qemu := range map[string]string{"raw": "raw", "vhd": "vpc", "qcow2": "qcow2"} {
		for _, pieces := range []int{1, 3, 60} { // 60: over 512 MiB, two L2 tables
			if testing.Short() && pieces == 60 && format != "qcow2" {
				continue // has no state that goroutines share
			}
			t.Run(fmt.Sprint(format, pieces), func(t *testing.T) {
				raw := image(t, pieces)
				out := write(t, format, raw)
				run(t, "qemu-img", "compare", "-f", "raw", "-F", qemu, raw, out)
				var info struct {
					Format string `json:"format"`
					Size   int64  `json:"virtual-size"`
				}
				if err := json.Unmarshal([]byte(run(t, "qemu-img", "info", "--output=json", "-f", qemu, out)), &info); err != nil {
					t.Fatal(err)
				}
				if info.Format != qemu || info.Size != int64(pieces)*piece {
					t.Errorf("%+v", info)
				}
				if format != "qcow2" {
					return
				}
				if check := run(t, "qemu-img", "check", out); !strings.Contains(check, "No errors were found") {
					t.Error(check)
				}
				st, err := os.Stat(out)
				if err != nil {
					t.Fatal(err)
				}
				if most := int64(pieces)*7*65536 + 10*65536; st.Size() > most {
					t.Errorf("the file has %d bytes, at most %d are not zero", st.Size(), most)
				}
			})
		}
	}
}

// TestGCP has tar unpack the archive.
func TestGCP(t *testing.T) {
	if testing.Short() {
		t.Skip("an archive is written in order, by one goroutine")
	}
	raw := image(t, 3)
	out := write(t, "gcp", raw)
	dir := t.TempDir()
	if list := strings.TrimSpace(run(t, "tar", "-C", dir, "-xvSzf", out)); list != "disk.raw" {
		t.Errorf("it holds %q", list)
	}
	disk, err := os.Open(filepath.Join(dir, "disk.raw"))
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if st, err := disk.Stat(); err != nil || st.Size() != 1<<30 {
		t.Fatal(st, err)
	}
	want, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, piece)
	for off := int64(0); off < 1<<30; off += piece {
		n, err := disk.ReadAt(got, off)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		w := make([]byte, n) // behind the image all is zero
		if off < int64(len(want)) {
			copy(w, want[off:])
		}
		if !bytes.Equal(got[:n], w) {
			t.Errorf("other bytes in the piece at %d", off)
		}
	}
	if head := run(t, "sh", "-c", "gzip -dc "+out+" | head -c 265 | tail -c 8"); head != "ustar  \x00" {
		t.Errorf("the magic is %q, that of GNU tar is \"ustar  \"", head)
	}
}

// TestOrder: an archive refuses what does not come in order.
func TestOrder(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	format, err := wrap.ByName("gcp")
	if err != nil {
		t.Fatal(err)
	}
	w, err := format.Open(file{f}, 2*piece)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(bytes.Repeat([]byte{1}, piece), piece); err == nil {
		t.Error("no error")
	}
}

// TestRefused names formats and sizes that there are not.
func TestRefused(t *testing.T) {
	if _, err := wrap.ByName("vmdk"); err == nil || !strings.Contains(err.Error(), "raw, vhd, qcow2, gcp") {
		t.Error(err)
	}
	format, err := wrap.ByName("vhd")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := format.Open(nil, 1<<20+512); err == nil {
		t.Error("a VHD of half MiB")
	}
}
