package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The first command of the README says what to type if no Go is here that can build
// this, or that cannot fetch what it lacks; otherwise it says nothing.
func TestNeedsGo(t *testing.T) {
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	_, need, _ := strings.Cut(string(mod), "\ngo ")
	need, _, _ = strings.Cut(need, "\n")
	bin, certificate := t.TempDir(), filepath.Join(t.TempDir(), "some.crt")
	for name, text := range map[string]string{
		filepath.Join(bin, "go"): "#!/bin/sh\n[ -n \"$VERSION\" ] || exit 127\ncase \"$*\" in\n\"env GOVERSION\") echo go$VERSION ;;\n\"env GOTOOLCHAIN\") echo $TOOLCHAIN ;;\n\"env GOMODCACHE\") echo $MODULES ;;\nesac\n",
		certificate:              "x\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	_, err = os.Stat("/etc/debian_version")
	debian := err == nil
	for _, c := range []struct {
		name, version, toolchain, certificate, modules string
		says                                           string // ""; it is content
	}{
		{"no Go", "", "", certificate, "/none", "here is none."},
		{"Debian 12's own", "1.19.8", "", certificate, "/none", "here is 1.19.8."},
		{"Debian 12's backports", "1.23.2", "auto", certificate, "/none", ""},
		{"as old as it may be", "1.21", "auto", certificate, "/none", ""},
		{"one that fetches no other", "1.24.4", "local", certificate, "/none", "export GOTOOLCHAIN=auto\n"},
		{"just what is needed", need, "local", certificate, "/none", ""},
		{"newer", "1.99", "local", certificate, "/none", ""},
		{"no certificates", need, "local", "/none", "/none", "ca-certificates\n"},
		{"no certificates, all fetched", need, "local", "/none", bin, ""},
	} {
		if c.certificate == "/none" && !debian {
			continue
		}
		cmd := exec.Command("../../.ci/needs-go")
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "VERSION="+c.version, "TOOLCHAIN="+c.toolchain, "MODULES="+c.modules, "SSL_CERT_FILE="+c.certificate)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (c.says == "") || !strings.Contains(string(out), c.says) || c.says == "" && len(out) > 0 {
			t.Errorf("%s: %v\n%s", c.name, err, out)
		}
	}
}
