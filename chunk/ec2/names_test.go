package ec2

import (
	"bytes"
	"os"
)

// The names that a run uses on disk; the first is what versions without a journal
// called the files of the bundle that was being replaced.
func backupName(name string) string { return "." + name + ".purebundle-ec2-old" }
func tempName(name string) string   { return "." + name + ".purebundle-new" }

// writeSparse writes to f at off the blocks of p that are not all zero.
func writeSparse(f *os.File, p []byte, off int64) error {
	for ; len(p) > 0; off += 4096 {
		b := p[:min(4096, len(p))]
		p = p[len(b):]
		if bytes.Count(b, []byte{0}) == len(b) {
			continue
		}
		if _, err := f.WriteAt(b, off); err != nil {
			return err
		}
	}
	return nil
}
