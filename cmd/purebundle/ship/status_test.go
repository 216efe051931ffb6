package ship

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"purebundle/cmd/purebundle/create"
)

// metricSet matches one metric of the OpenMetrics text format with one sample: its
// type, maybe its unit, which ends the name, its help, and the sample.
var metricSet = regexp.MustCompile(`\A# TYPE ([a-z_]+) gauge\n(?:# UNIT ([a-z_]+) ([a-z]+)\n)?# HELP ([a-z_]+) [^\\\n]+\n([a-z_]+)\{source="((?:[^"\\\n]|\\["\\n])*)",template="((?:[^"\\\n]|\\["\\n])*)"\} [0-9]+(?:\.[0-9]+)?\n`)

// metrics returns the names in a status file, each of which must be one of the format.
func metrics(t *testing.T, text string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for text != "# EOF\n" {
		m := metricSet.FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no metric: %q", text)
		}
		name := m[1]
		if m[4] != name || m[5] != name || m[2] != "" && (m[2] != name || !strings.HasSuffix(name, "_"+m[3])) || found[name] != "" {
			t.Errorf("%q", m[0])
		}
		found[name] = m[0]
		text = text[len(m[0]):]
	}
	return found
}

func TestStatusText(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ship.prom")
	c := &options{template: "s3://b/{date}", bundle: create.Options{Source: "/a \"b\"\\\n\xff"}}
	s := &statusFile{path: file}
	failed := metrics(t, s.text(c, 1))
	if failed[successName] != "" || failed[metric+"parts"] != "" || !strings.HasSuffix(failed[metric+"exit_status"], "} 1\n") {
		t.Errorf("failed: %q", failed)
	}
	if want := `source="/a \"b\"\\\n` + "\uFFFD" + `"`; !strings.Contains(failed[metric+"exit_status"], want) {
		t.Errorf("labels: %q, want %q", failed[metric+"exit_status"], want)
	}
	c.done = &Summary{Summary: create.Summary{Parts: 10, ZeroParts: 3, KeptParts: 5, SentBytes: 1 << 40}}
	if err := s.write(s.text(c, 0)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	done := metrics(t, string(text))
	for name, value := range map[string]string{"exit_status": "0", "parts": "7", "kept_parts": "5", "changed_parts": "2", "sent_bytes": "1099511627776"} {
		if !strings.HasSuffix(done[metric+name], "} "+value+"\n") {
			t.Errorf("%q, want %s", done[metric+name], value)
		}
	}
	when := lastSuccess(file)
	if when == 0 || when != s.older {
		t.Errorf("last success: %d, not %d", when, s.older)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o644 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	if names, _ := os.ReadDir(filepath.Dir(file)); len(names) != 1 {
		t.Errorf("there are %v", names)
	}
}
