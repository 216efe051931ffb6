package imgtest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fsckTime makes e2fsck believe that it is 2378. Before 2242, e2fsck asks whether
// inode times from 2310-04-04 on, of which the kernel's own files are no
// different, are wrongly encoded ones before 1970. Comparing with a kernel mount
// tells the two apart.
const fsckTime = "E2FSCK_TIME=12884901887" // its low 32 bits are what superblock times are held against

// Fsck fails the test unless `e2fsck -fn` finds nothing at all in the image:
// exit status 0 and not one question. The status alone is not enough, since
// e2fsck exits 0 after some questions, such as that of an invalid resize
// inode.
func Fsck(t testing.TB, image string) {
	t.Helper()
	if out := fsckProblems(t, image); out != "" {
		t.Errorf("e2fsck -fn %s: not clean:\n%s", image, out)
	}
}

// fsckProblems returns e2fsck's output if it found something, else "".
func fsckProblems(t testing.TB, image string) string {
	t.Helper()
	NeedTool(t, "e2fsck")
	cmd := exec.Command("e2fsck", "-fn", image)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "E2FSCK_CONFIG=/dev/null", fsckTime)
	out, err := cmd.CombinedOutput()
	text := string(out)
	if err != nil {
		return text + "(" + err.Error() + ")"
	}
	for _, bad := range []string{"? no", "? yes", "WARNING", "Warning"} {
		if strings.Contains(text, bad) {
			return text
		}
	}
	// With -f, e2fsck does not say that s_state is not clean.
	state := make([]byte, 2)
	f, err := os.Open(image)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if _, err := f.ReadAt(state, 1024+0x3a); err != nil || state[0] != 1 || state[1] != 0 {
		return fmt.Sprintf("%ss_state %v, want clean %v", text, state, err)
	}
	return ""
}
