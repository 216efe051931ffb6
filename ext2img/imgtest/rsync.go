package imgtest

import "testing"

// Rsync fails the test if rsync would change anything to make dst equal to
// src: names, content (by size and time), types, owners, modes, times, links,
// devices, ACLs or xattrs. The lost+found that an image always has is not
// looked at.
func Rsync(t testing.TB, src, dst string) {
	t.Helper()
	RequireRoot(t)
	out := Run(t, "rsync", "-anHAXi", "--delete", "--numeric-ids", "--exclude=/lost+found", src+"/", dst+"/")
	if out != "" {
		t.Errorf("rsync %s/ %s/ lists:\n%s", src, dst, out)
	}
}
