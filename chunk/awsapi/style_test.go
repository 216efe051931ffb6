package awsapi

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddressingStyle(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("AWS_PROFILE", "")
	t.Setenv("AWS_DEFAULT_PROFILE", "")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	for _, tt := range []struct {
		name, config, profile, want string
	}{
		{"none", "", "", ""},
		{"default", "[default]\nregion = x\ns3 =\n  max_queue_size = 10\n  addressing_style = path\n", "", "path"},
		{"named", "[default]\ns3 =\n addressing_style = virtual\n[profile web]\n# text\ns3=\n\taddressing_style=Path # why\n", "web", "path"},
		{"quoted", "[profile \"my web\"]\r\ns3 =\r\n    addressing_style = auto\r\n", "my web", "auto"},
		{"of another key", "[default]\nec2 =\n  addressing_style = path\n", "", ""},
		{"of another profile", "[profile x]\ns3 =\n  addressing_style = path\n", "", ""},
		{"not nested", "[default]\ns3 =\naddressing_style = path\n", "", ""},
		{"after the nested", "[default]\ns3 =\n  addressing_style = path\nec2 =\n  addressing_style = virtual\n", "", "path"},
		{"a long line", "[default]\n" + strings.Repeat("x", 1<<21), "", ""},
		{"unknown", "[default]\ns3 =\n  addressing_style = sideways\n", "", "error"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "config"), []byte(tt.config), 0o600); err != nil {
			t.Fatal(err)
		}
		have, err := AddressingStyle(tt.profile)
		if err != nil {
			have = "error"
		}
		if have != tt.want {
			t.Errorf("%s: %q, want %q (%v)", tt.name, have, tt.want, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "credentials"), []byte("[web]\ns3 =\n  addressing_style = path\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_PROFILE", "web")
	if have, err := AddressingStyle(""); have != "path" || err != nil {
		t.Errorf("of the credentials file: %q, %v", have, err)
	}
}

func FuzzNested(f *testing.F) {
	f.Add("[default]\ns3 =\n  addressing_style = path\n")
	f.Add("[")
	f.Add("[profile")
	f.Fuzz(func(_ *testing.T, text string) { nested(strings.NewReader(text), "default", "s3", "addressing_style") })
}
