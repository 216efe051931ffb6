package mounttable

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// maxTableReads bounds the wait for a mount table that holds still.
const maxTableReads = 100

// Read reads the kernel's table until two reads in a row agree: one read is many system calls, and lines move while mounts
// come and go between them. A line can be of any length: overlays have up to 500 layers.
func Read() ([]*mountinfo.Info, error) {
	const table = "/proc/self/mountinfo"
	last, err := os.ReadFile(table)
	for range maxTableReads {
		if err != nil {
			return nil, err
		}
		var next []byte
		next, err = os.ReadFile(table)
		if err == nil && bytes.Equal(last, next) {
			lines, err := Parse(string(next))
			if err != nil {
				return nil, fmt.Errorf("%s: %w", table, err)
			}
			return lines, nil
		}
		last = next
	}
	return nil, fmt.Errorf("%s: it keeps changing", table)
}

// Parse parses a table as in proc_pid_mountinfo(5). Options of a file system (Info.VFSOptions) stay escaped.
func Parse(text string) ([]*mountinfo.Info, error) {
	var short strings.Builder
	long := make(map[string]string)
	for line := range strings.Lines(text) {
		short.WriteString(readable(line, long))
	}
	mounts, err := mountinfo.GetMountsFromReader(strings.NewReader(short.String()), nil)
	if err != nil {
		return nil, err
	}
	for _, m := range mounts {
		for _, field := range [...]*string{&m.Root, &m.Mountpoint, &m.VFSOptions} {
			if whole, ok := long[*field]; ok {
				*field = whole
			}
		}
	}
	return mounts, nil
}

// maxLine is the length in bytes of a line that is sure to fit into the library's bufio.Scanner.
const maxLine = bufio.MaxScanTokenSize / 2

// readable returns a line of the table that the library can read: if it is too long, or ends in a carriage return, which a Scanner takes
// for the end of the line, with stand-ins for the fields of any length. They are kept in long: the file system's options as they are, the
// root and the mount point unescaped. A stand-in begins with a tab, which the kernel writes as \011 in a field.
func readable(line string, long map[string]string) string {
	if len(line) <= maxLine && !strings.HasSuffix(line, "\r\n") {
		return line
	}
	front, back, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " - ") // a space in one of the fields before is written \040
	before, after := strings.Split(front, " "), strings.SplitN(back, " ", 3)
	if !ok || len(before) < 6 || len(after) < 3 {
		return line
	}
	standIn := func(whole string) string {
		name := "\t" + strconv.Itoa(len(long))
		long[name] = whole
		return name
	}
	const root, point, options = 3, 4, 2
	before[root], before[point] = standIn(Unescape(before[root])), standIn(Unescape(before[point]))
	after[options] = standIn(after[options])
	return strings.Join(before, " ") + " - " + strings.Join(after, " ") + "\n"
}

// Unescape undoes the kernel's \ooo.
func Unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && isOctal(s[i+1]) && isOctal(s[i+2]) && isOctal(s[i+3]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isOctal(c byte) bool { return c >= '0' && c <= '7' }

// ID returns the ID, as in the mount table, of the mount that fd lies on. Linux before 5.8 tells it through proc alone.
func ID(fd int) (uint64, error) {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_NO_AUTOMOUNT|unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st)
	if err == nil && st.Mask&unix.STATX_MNT_ID != 0 {
		return st.Mnt_id, nil
	}
	return idFromProc(fd)
}

func idFromProc(fd int) (uint64, error) {
	b, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			return strconv.ParseUint(strings.TrimSpace(v), 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/self/fdinfo/%d: no mnt_id", fd)
}
