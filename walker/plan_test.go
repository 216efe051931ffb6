package walker

import (
	"path/filepath"
	"testing"
)

// TestPlanReadsOnce mounts something between the plan and its walk: the table that counts is the one that was read and judged by then.
func TestPlanReadsOnce(t *testing.T) {
	needRoot(t)
	for _, leave := range []string{"early", "data"} { // the second one makes the bind the only place of its content: judged again, not read again
		dir := makeTree(t, t.TempDir(), "early/", "late/", "data/sub/x=1", "bound/")
		mountFS(t, "none", filepath.Join(dir, "early"), "tmpfs", 0, "")
		bind(t, filepath.Join(dir, "data/sub"), filepath.Join(dir, "bound"))
		p, err := NewPlan(dir, Options{})
		must(t, err)
		t.Cleanup(func() { p.Close() })
		if n := len(p.Mounts()); n != 3 {
			t.Fatalf("%d mounts, want 3", n)
		}
		mountFS(t, "none", filepath.Join(dir, "late"), "tmpfs", 0, "")
		before := p.mounts[0]
		p.Options.LeaveOut = []string{filepath.Join(dir, leave)}
		res := &result{entries: make(map[string]*Entry)}
		res.Tree, err = p.Walk(t.Context(), res.add)
		must(t, err)
		t.Cleanup(func() { res.Close() })
		if len(res.Mounts) != 3 || p.mounts[0] != before {
			t.Errorf("read again: %q", res.mountLines())
		}
		if crossed := res.entries["/bound/x"] != nil; crossed != (leave == "data") {
			t.Errorf("leaving out %s: /bound is crossed: %v", leave, crossed)
		}
	}
}
