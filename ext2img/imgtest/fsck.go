package imgtest

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fsckTime makes e2fsck believe that it is 2378. Before 2242, e2fsck asks whether
// inode times from 2310-04-04 on, of which the kernel's own files are no
// different, are wrongly encoded ones before 1970. Comparing with a kernel mount
// tells the two apart.
const fsckTime = "E2FSCK_TIME=12884901887" // its low 32 bits are what superblock times are held against

// oldFsck returns the e2fsck 1.46 that .ci/e2fsck took, "" if there is none.
func oldFsck() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	name := filepath.Join(cache, "purebundle-test", "e2fsck-1.46", "e2fsck")
	if _, err := os.Stat(name); err != nil {
		return ""
	}
	return name
}

// Fsck fails the test unless `e2fsck -fn` finds nothing at all in the image:
// exit status 0 and not one question. The status alone is not enough, since
// e2fsck exits 0 after some questions, such as that of an invalid resize
// inode.
func Fsck(t testing.TB, image string) {
	t.Helper()
	NeedTool(t, "e2fsck")
	for _, program := range []string{"e2fsck", oldFsck()} {
		if program == "" || program != "e2fsck" && hasOrphanFile(t, image) {
			continue
		}
		if out := fsckProblems(program, image); out != "" {
			t.Errorf("%s -fn %s: not clean:\n%s", program, image, out)
		}
	}
}

// hasOrphanFile says whether the image has the feature orphan_file
// (s_feature_compat, __le32 at 0x5C, bit 0x1000), which e2fsck knows from 1.47 on.
func hasOrphanFile(t testing.TB, image string) bool {
	t.Helper()
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	compat := make([]byte, 4)
	if _, err := f.ReadAt(compat, 1024+0x5c); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint32(compat)&0x1000 != 0
}

// fsckProblems returns the output of an e2fsck if it found something, else "".
func fsckProblems(program, image string) string {
	cmd := exec.Command(program, "-fn", image)
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
