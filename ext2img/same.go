package ext2img

import (
	"io/fs"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/internal/ondisk"
)

// An inode number says little about a file: ext4 gives that of a removed file to
// the next one, so that a file replaced twice by rename has its number again.

// other says whether an open file is another one than the walk saw: its inode
// number or its birth time is not the same.
func (m *Image) other(n int32, f source, now state) (bool, error) {
	nd := m.nodes.at(n)
	if now.id != nd.id {
		return true, nil
	}
	var st unix.Statx_t
	if err := unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME, &st); err != nil {
		return false, &fs.PathError{Op: "statx", Path: f.path, Err: err}
	}
	if st.Mask&unix.STATX_BTIME == 0 {
		return false, nil
	}
	born, _ := ondisk.NewStamp(st.Btime.Sec, st.Btime.Nsec)
	unknown, _ := ondisk.NewStamp(m.p.Now.Sec, m.p.Now.Nsec)
	return born != nd.crtime && nd.crtime != unknown, nil
}

// appended says whether an open file, longer than at the walk, is known to begin
// with what it was then.
func (m *Image) appended(n int32, f source, now state) (bool, error) {
	mark, ok := m.marks[n]
	if !ok || m.p.Mark == nil {
		return false, nil
	}
	if other, err := m.other(n, f, now); err != nil || other {
		return false, err
	}
	is, err := m.p.Mark(f.fd, m.nodes.at(n).size)
	if err != nil {
		return false, &fs.PathError{Op: "read", Path: f.path, Err: err}
	}
	return is == mark, nil
}
