package imgtest_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"purebundle/ext2img/imgtest"
)

// TestAsUser: who plants is an ordinary user, and nobody else becomes one.
func TestAsUser(t *testing.T) {
	dir := imgtest.UserDir(t)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	imgtest.AsUser(t, func() {
		if err := os.WriteFile(filepath.Join(dir, "his"), nil, 0o600); err != nil {
			t.Error(err)
		}
		for _, name := range []string{secret, "/etc/shadow"} {
			if _, err := os.ReadFile(name); !errors.Is(err, fs.ErrPermission) {
				t.Errorf("read %s: %v", name, err)
			}
		}
		text, err := os.ReadFile("/proc/thread-self/status")
		for _, line := range []string{"Uid:\t65534\t65534\t65534\t65534\n", "CapPrm:\t0000000000000000\n", "CapEff:\t0000000000000000\n"} {
			if err != nil || !strings.Contains(string(text), "\n"+line) {
				t.Errorf("no %q in %s, %v", line, text, err)
			}
		}
		if out := imgtest.Run(t, "id", "-u"); out != "65534\n" {
			t.Errorf("id -u: %s", out)
		}
	})
	if info, err := os.Stat(filepath.Join(dir, "his")); err != nil || info.Sys().(*syscall.Stat_t).Uid != imgtest.User {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := os.ReadFile(secret); err != nil || os.Geteuid() != 0 {
		t.Errorf("root is not root any more: %v", err)
	}
}
