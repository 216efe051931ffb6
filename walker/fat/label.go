package fat

import (
	"fmt"
	"io"
	"strings"
)

const maxRoot = 2 << 20 // bytes of a directory: 65,536 entries are the most that there can be

// Label returns the volume label in the root directory, "" if it has none. The one in the
// boot sector is often out of date.
func (f *FAT) Label() (string, error) {
	if f.Bits != 32 {
		dir, err := f.read(f.root, f.rootSize)
		if err != nil {
			return "", err
		}
		text, _ := labelIn(dir)
		return text, nil
	}
	cluster := f.rootClus & 0x0fffffff
	for done := int64(0); done < maxRoot; done += f.cluster {
		if cluster < 2 || cluster >= 0x0ffffff7 {
			break
		}
		dir, err := f.read(f.data+int64(cluster-2)*f.cluster, f.cluster)
		if err != nil {
			return "", err
		}
		if text, end := labelIn(dir); end {
			return text, nil
		}
		next, err := f.read(f.table+int64(cluster)*4, 4)
		if err != nil {
			return "", err
		}
		cluster = le.Uint32(next) & 0x0fffffff
	}
	return "", nil
}

// read returns n bytes at an offset, zeros past the end.
func (f *FAT) read(off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if off < 0 || off >= f.size {
		return b, nil
	}
	if _, err := f.r.ReadAt(b[:min(n, f.size-off)], off); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read %d bytes at %d: %w", n, off, err)
	}
	return b, nil
}

// labelIn returns the label in a piece of a root directory; end is true if it, or the end
// of the directory, is there.
func labelIn(dir []byte) (text string, end bool) {
	const nameSize, attr, high, low = 11, 11, 20, 26
	for ; len(dir) >= entrySize; dir = dir[entrySize:] {
		e := dir[:entrySize]
		switch {
		case e[0] == 0:
			return "", true
		case e[0] == 0xe5, e[attr]&0x18 != 0x08, e[attr]&0x3f == 0x0f, le.Uint16(e[high:]) != 0, le.Uint16(e[low:]) != 0:
			continue // removed, no label, a piece of a long name
		}
		name := append([]byte(nil), e[:nameSize]...)
		if name[0] == 0x05 { // stands for 0xe5
			name[0] = 0xe5
		}
		return strings.TrimRight(string(name), " "), true
	}
	return "", false
}
