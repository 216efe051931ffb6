package ec2tools

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// defaultDestText says in help where a bundle goes if --destination is not given. The
// old tools made it in /tmp itself, where anybody can make files before they do.
const defaultDestText = "/var/lib/purebundle for root, else purebundle-UID in $TMPDIR or /var/tmp"

// place fills in --destination: a directory of this user alone, which is made if it is
// missing. If somebody else has made one of its name, it has another.
func (c *Options) place() error {
	if c.dest != "" {
		return nil
	}
	uid := os.Geteuid()
	if uid == 0 {
		c.dest = "/var/lib/purebundle"
		return nil
	}
	parent := cmp.Or(os.Getenv("TMPDIR"), "/var/tmp") // /tmp is often in memory
	c.dest = filepath.Join(parent, fmt.Sprintf("purebundle-%d", uid))
	info, err := os.Lstat(c.dest)
	if err != nil {
		return nil // it is made, or the run says why not
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && info.IsDir() && int(st.Uid) == uid {
		return nil
	}
	c.dest, err = os.MkdirTemp(parent, filepath.Base(c.dest)+"-")
	return err
}
