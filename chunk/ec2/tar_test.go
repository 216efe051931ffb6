package ec2

import (
	"archive/tar"
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/pgzip"
)

// archive returns an image in a tar archive as we write it.
func archive(t testing.TB, img []byte, data []Range) []byte {
	t.Helper()
	src := Source{Image: bytes.NewReader(img), Size: int64(len(img)), Data: data}
	must(t, src.normal())
	var b bytes.Buffer
	must(t, writeTar(t.Context(), &b, "image", time.Unix(1e9, 0), &src, nil))
	return b.Bytes()
}

// The standard library's reader, which is not ours, reads the same file.
func TestTarAgainstStandardLibrary(t *testing.T) {
	for name, data := range map[string][]Range{
		"dense": nil, "hole": {}, "runs": runs(70, 128<<10), "tail": {{9*mib - 512, 512}},
	} {
		t.Run(name, func(t *testing.T) {
			all := data
			if all == nil {
				all = []Range{{0, 9 * mib}}
			}
			img := image(9*mib, all...)
			text := archive(t, img, data)
			if len(text)%recordLen != 0 {
				t.Errorf("%d bytes are no whole records", len(text))
			}
			r := tar.NewReader(bytes.NewReader(text))
			h, err := r.Next()
			must(t, err)
			if h.Name != "image" || h.Size != 9*mib || h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(time.Unix(1e9, 0)) || h.Format != tar.FormatGNU && name != "dense" {
				t.Errorf("%+v", h)
			}
			got, err := io.ReadAll(r)
			must(t, err)
			if !bytes.Equal(got, img) {
				t.Error("not the image")
			}
			if _, err := r.Next(); err != io.EOF {
				t.Errorf("after the member: %v", err)
			}
		})
	}
}

// Numbers go into base 256 where octal digits do not suffice.
func TestTarNumbers(t *testing.T) {
	for _, n := range []int64{0, 1, 1<<33 - 1, 1 << 33, 16 << 40, 1<<62 + 12345} {
		field := make([]byte, sizeLen)
		putNumber(field, n)
		if got, err := number(field); err != nil || got != n {
			t.Errorf("%d: %d, %v, %q", n, got, err, field)
		}
		if (field[0]&0x80 != 0) != (n >= 1<<33) {
			t.Errorf("%d is written as %q", n, field)
		}
	}
	for _, bad := range []string{"9", "-1", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		if n, err := number([]byte(bad)); err == nil {
			t.Errorf("%q is %d", bad, n)
		}
	}
}

// fixSum makes the checksum of the header at the start of text right.
func fixSum(text []byte) []byte {
	b := block(text[:blockLen])
	putNumber(text[sumOff:sumOff+sumLen-1], b.checksum())
	return text
}

// An archive that is not what it must be is refused with its reason.
func TestBadArchives(t *testing.T) {
	img := image(9*mib, runs(30, 256<<10)...)
	good := archive(t, img, runs(30, 256<<10))
	edit := func(f func(text []byte) []byte) []byte { return f(bytes.Clone(good)) }
	set := func(off int, s string) []byte {
		return edit(func(text []byte) []byte { copy(text[off:], s); return fixSum(text) })
	}
	for _, c := range []struct {
		name, want string
		text       []byte
	}{
		{"good", "", good},
		{"empty", "cut short", nil},
		{"noise", "checksum", noise(1, 4096)},
		{"zeros", "checksum", make([]byte, 20480)},
		{"checksum", "checksum", edit(func(text []byte) []byte { text[sumOff] ^= 1; return text })},
		{"other name", `named "other"`, set(nameOff, "other\x00")},
		{"path", `named "../image"`, set(nameOff, "../image\x00")},
		{"directory", "no regular file", set(typeOff, "5")},
		{"symbolic link", "no regular file", set(typeOff, "2")},
		{"real size below the map", "the map", set(realOff, "00000000777\x00")},
		{"real size", "the manifest says", set(realOff, "00077777777\x00")},
		{"stored size", "its header", set(sizeOff, "00000001000\x00")},
		{"number", "a number", set(sizeOff, "0000000009z\x00")},
		{"map descends", "the map", set(spOff+entryLen, "00000000000\x00")},
		{"map beyond the end", "the map", set(spOff+3*entryLen, "77777777777\x00")},
		{"cut in the map", "cut short", good[:blockLen+100]},
		{"cut in the data", "cut short", good[:len(good)/2]},
		{"cut at the end", "cut short", good[:len(good)/recordLen*recordLen-recordLen]},
		{"a second member", "a second member", edit(func(text []byte) []byte { return append(text[:len(text)-8*blockLen], good...) })},
		{"long name", "has 8589934591 bytes", edit(func(text []byte) []byte {
			text[typeOff] = typeLongName
			copy(text[sizeOff:], "77777777777\x00")
			return fixSum(text)
		})},
		{"many headers", "too many", edit(func(text []byte) []byte {
			h := bytes.Clone(text[:blockLen])
			h[typeOff] = typeLongName
			copy(h[sizeOff:], "00000000000\x00")
			return append(bytes.Repeat(fixSum(h), 9), text...)
		})},
		{"endless zeros", "does not end", append(bytes.Clone(good), make([]byte, 2*maxPadding)...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := readTar(bytes.NewReader(c.text), "image", int64(len(img)), func([]byte, int64) error { return nil })
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// FuzzReadTar has its archives packed, as most of one is zero: the fuzzer tries to make
// each input that finds something new shorter, in time that grows with the square of its
// length, and with an archive of 128 KiB came to nothing else. Checksums of headers are
// put right, as hardly any change would pass otherwise.
func FuzzReadTar(f *testing.F) {
	const size = 4 << 10
	data := []Range{{0, 1}, {size - 1, 1}}
	for _, text := range [][]byte{archive(f, image(size, data...), data), archive(f, make([]byte, size), nil), archive(f, make([]byte, size), []Range{{0, 512}, {1024, 512}, {2048, 512}, {3584, 512}})} {
		f.Add(packZeros(text))
	}
	f.Fuzz(func(t *testing.T, packed []byte) {
		text := unpackZeros(packed)
		for at := 0; at+blockLen <= len(text) && text[at] != 0 && at < 4*blockLen; at += blockLen {
			fixSum(text[at:])
		}
		end := int64(0)
		err := readTar(bytes.NewReader(text), "image", size, func(p []byte, off int64) error {
			if off < end || off+int64(len(p)) > size {
				t.Errorf("bytes at %d after %d", off, end)
			}
			end = off + int64(len(p))
			return nil
		})
		_ = err
	})
}

// packZeros replaces up to 256 zeros by one and their number less one.
func packZeros(text []byte) (packed []byte) {
	for len(text) > 0 {
		n := 1
		if packed = append(packed, text[0]); text[0] == 0 {
			for n < len(text) && text[n] == 0 && n < 256 {
				n++
			}
			packed = append(packed, byte(n-1))
		}
		text = text[n:]
	}
	return packed
}

// unpackZeros undoes packZeros, for up to 64 KiB.
func unpackZeros(packed []byte) (text []byte) {
	for i := 0; i < len(packed) && len(text) < 64<<10; i++ {
		text = append(text, packed[i])
		if packed[i] == 0 && i+1 < len(packed) {
			i++
			text = append(text, make([]byte, packed[i])...)
		}
	}
	return text
}

// Packing loses nothing.
func TestPackZeros(t *testing.T) {
	for _, text := range [][]byte{archive(t, make([]byte, 4096), nil), {0}, {1}, {0, 1}, {1, 0}, make([]byte, 256), make([]byte, 257), make([]byte, 600)} {
		if !bytes.Equal(unpackZeros(packZeros(text)), text) {
			t.Errorf("%d bytes come back as others", len(text))
		}
	}
}

// forged makes a bundle of what write gives the encryption, with a manifest in
// which all digests are right: such a bundle was made wrong, not damaged.
func forged(t *testing.T, img []byte, cut int64, write func(p *partWriter) error) string {
	t.Helper()
	dir := t.TempDir()
	w, err := Create(dir, Options{Prefix: "image"})
	must(t, err)
	w.parts = newPartWriter(t.Context(), w.stage, "image", 1)
	must(t, write(w.parts))
	must(t, w.parts.finish())
	if cut > 0 {
		last := len(w.parts.sums) - 1
		name := filepath.Join(dir, tempName(w.parts.item(last).Key))
		text, err := os.ReadFile(name)
		must(t, err)
		text = text[:int64(len(text))-cut]
		must(t, os.WriteFile(name, text, 0o600))
		w.parts.sums[last] = sum1(text)
		w.parts.total -= cut
	}
	w.size, w.digest, w.made = int64(len(img)), sum1(archive(t, img, nil)), true
	must(t, w.Commit(t.Context(), testManifest(), testKeys()))
	return filepath.Join(dir, "image.manifest.xml")
}

func gzipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pgzip.NewWriter(&b)
	_, err := w.Write(text)
	must(t, err)
	must(t, w.Close())
	return b.Bytes()
}

func sum1(p []byte) string {
	sum := sha1.Sum(p)
	return hex.EncodeToString(sum[:])
}

// A bundle that was cut or mixed up before it was signed yields no image.
func TestForged(t *testing.T) {
	img := noise(3, mib)
	gz := func(text []byte) func(p *partWriter) error {
		return func(p *partWriter) error {
			_, err := p.Write(gzipped(t, text))
			return err
		}
	}
	other := archive(t, noise(4, mib), nil)
	for _, c := range []struct {
		name, want string
		cut        int64
		write      func(p *partWriter) error
	}{
		{"cut by a cipher block", "the end of the bundle is no end", 16, gz(archive(t, img, nil))},
		{"cut within a cipher block", "the end of the bundle is no end", 5, gz(archive(t, img, nil))},
		{"no gzip", "no whole gzip stream", 0, func(p *partWriter) error { _, err := p.Write(noise(5, 1000)); return err }},
		{"gzip without its end", "no whole gzip stream", 0, func(p *partWriter) error {
			text := gzipped(t, archive(t, img, nil))
			_, err := p.Write(text[:len(text)-6])
			return err
		}},
		{"more after gzip", "no whole gzip stream", 0, func(p *partWriter) error {
			_, err := p.Write(append(gzipped(t, archive(t, img, nil)), "more than that"...))
			return err
		}},
		{"another image", "SHA-1 of the image", 0, gz(other)},
		{"another name", "is named", 0, gz(fixSum(append([]byte("x"), archive(t, img, nil)[1:]...)))},
	} {
		t.Run(c.name, func(t *testing.T) {
			wrong(t, forged(t, img, c.cut, c.write), userPair().key, c.want)
		})
	}
	if _, err := Create(t.TempDir(), Options{Prefix: "a/b"}); err == nil {
		t.Error("a prefix with a path")
	}
	if err := CheckPrefix(strings.Repeat("x", 100)); err == nil {
		t.Error("a prefix that fills the tar header")
	}
}
