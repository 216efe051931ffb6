package awsapi

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/chunk"
)

// nobody is the ordinary user of these tests.
const nobody = "65534"

// asNobody runs a shell line as an ordinary user without any capability.
func asNobody(t *testing.T, line string) {
	t.Helper()
	cmd := exec.Command("setpriv", "--reuid", nobody, "--regid", nobody, "--clear-groups", "--inh-caps=-all", "sh", "-euc", line)
	cmd.Env = append(os.Environ(), "SELF="+os.Args[0])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

// home returns a place that an ordinary user reaches, with the machine's settings kept
// out and keys only in files.
func home(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("needs root, who is lured")
	}
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	dir, err := os.MkdirTemp("", "home")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	t.Setenv("DIR", dir)
	return dir
}

// lure makes files with a program that would leave a mark and give keys.
const lure = `
program='echo run >> '$DIR'/mark; echo "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"S\"}"'
lure() { mkdir -p "$(dirname "$1")"; printf '[default]\ncredential_process = sh -c '\''%s'\''\n' "$program" > "$1"; }
`

// A program that an ordinary user names in a shared file is not run by root,
// however the file is reached. Each case is made by a shell as root, with "user"
// for what the ordinary user does.
func TestSharedFilesOfOthers(t *testing.T) {
	for _, c := range []struct{ name, make, want string }{
		{"home of another user", `chown 65534 $DIR; user 'lure $DIR/.aws/config'`, "belongs to another user (uid 65534)"},
		{"credentials in it", `chown 65534 $DIR; user 'lure $DIR/.aws/credentials'`, "belongs to another user"},
		{"home of another user, root's file", `lure $DIR/.aws/config; chown 65534 $DIR`, "lies in $DIR, which belongs to another user"},
		{"directory for all", `mkdir -m 777 $DIR/.aws; user 'lure $DIR/.aws/config'; chown 0 $DIR/.aws/config`, "lies in $DIR/.aws, which can be written by anybody"},
		{"file for all", `lure $DIR/.aws/config; chmod 666 $DIR/.aws/config`, "can be written by anybody"},
		{"file for a group", `lure $DIR/.aws/config; chgrp 65534 $DIR/.aws/config; chmod 664 $DIR/.aws/config`, "can be written by its group (gid 65534)"},
		{"link to another's", `mkdir -m 1777 $DIR/tmp; user 'lure $DIR/tmp/config'; mkdir $DIR/.aws; ln -s ../tmp/config $DIR/.aws/config`, "belongs to another user"},
		{"link of another", `lure $DIR/root/config; mkdir -m 1777 $DIR/.aws; user 'ln -s $DIR/root/config $DIR/.aws/config'`, "belongs to another user"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := home(t)
			wantLured(t, dir, c.make, strings.ReplaceAll(c.want, "$DIR", dir))
		})
	}
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CA_BUNDLE"} {
		t.Run(name, func(t *testing.T) {
			dir := home(t)
			t.Setenv(name, filepath.Join(dir, "his"))
			wantLured(t, dir, `chmod 1777 $DIR; user 'lure $DIR/his'`, "belongs to another user")
		})
	}
}

// wantLured makes a case and wants Load to refuse it in these words.
func wantLured(t *testing.T, dir, script, want string) {
	t.Helper()
	prepare(t, script)
	_, err := Load(t.Context(), Options{})
	known, ok := errors.AsType[*chunk.Error](err)
	if !ok || !strings.Contains(err.Error(), want) || known.Hint != hintShared {
		t.Errorf("%v, want %q", err, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "mark")); err == nil {
		t.Error("the program of another user was run")
	}
}

func prepare(t *testing.T, script string) {
	t.Helper()
	user := `user() { setpriv --reuid ` + nobody + ` --regid ` + nobody + ` --clear-groups --inh-caps=-all sh -euc "$LURE$1"; }`
	cmd := exec.Command("sh", "-euc", lure+user+"\n"+script)
	cmd.Env = append(os.Environ(), "LURE="+lure)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// What is root's alone is believed, and its program is run.
func TestSharedFilesOfRoot(t *testing.T) {
	for _, c := range []struct{ name, make string }{
		{"file", `lure $DIR/.aws/config`},
		{"root's group", `lure $DIR/.aws/config; chmod 664 $DIR/.aws/config`},
		{"link", `lure $DIR/etc/config; mkdir $DIR/.aws; ln -s ../etc/config $DIR/.aws/config`},
		{"sticky directory", `mkdir -m 1777 $DIR/.aws; lure $DIR/.aws/config`},
		{"credentials", `lure $DIR/.aws/credentials`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := home(t)
			prepare(t, c.make)
			if _, err := Load(t.Context(), Options{}); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "mark")); err != nil {
				t.Error("the program was not run")
			}
		})
	}
}

// loadOnly makes of the test binary a program that does nothing but Load.
const loadOnly = "PUREBUNDLE_TEST_LOAD"

// An ordinary user's own files are believed when he runs it, with the umask that
// distributions give him; those of a third user are not.
func TestSharedFilesOfUser(t *testing.T) {
	if os.Getenv(loadOnly) != "" {
		if _, err := Load(t.Context(), Options{}); err != nil {
			t.Fatal(err)
		}
		return
	}
	dir := home(t)
	program := filepath.Join(dir, "test")
	copyFile(t, os.Args[0], program)
	t.Setenv(loadOnly, "1")
	prepare(t, `chmod 1777 $DIR; user 'umask 002; lure $DIR/his/.aws/config'; cd /
mkdir -p $DIR/third; chown 65533 $DIR/third; lure $DIR/third/.aws/config; chown -R 65533 $DIR/third`)
	const run = " $DIR/test -test.run=^TestSharedFilesOfUser$"
	asNobody(t, "cd /; HOME=$DIR/his"+run+" && ! HOME=$DIR/third"+run+" && test $(wc -l < $DIR/mark) = 1")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(out, in)
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestExposed(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for name, mode := range map[string]os.FileMode{"mine": 0o600, "group": 0o640, "all": 0o604} {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, mode)); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	got := Exposed(append(paths, filepath.Join(dir, "none"), dir))
	if len(got) != 2 || strings.Contains(strings.Join(got, " "), "mine") {
		t.Errorf("%q", got)
	}
}

func TestAlone(t *testing.T) {
	for _, c := range []struct {
		name, profile, config, key string
		want                       bool
	}{
		{"nothing", "", "", "", true},
		{"keys in the environment", "", "[default]\ncredential_process = x\n", "AKID", true},
		{"but a profile is named", "p", "[profile p]\ncredential_process = x\n", "AKID", false},
		{"keys in a file", "", "[default]\naws_access_key_id = a\naws_secret_access_key = b\n", "", true},
		{"program", "", "[default]\ncredential_process = x\n", "", false},
		{"program of the source", "p", "[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\ncredential_process = x\n", "", false},
		{"role of keys", "p", "[profile p]\nrole_arn = r\nsource_profile = q\n[profile q]\naws_access_key_id = a\naws_secret_access_key = b\n", "", true},
		{"SSO", "p", "[profile p]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n[sso-session s]\nsso_region = r\nsso_start_url = u\n", "", false},
		{"login", "p", "[profile p]\nlogin_session = s\n", "", false},
		{"no such profile", "p", "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			isolate(t)
			t.Setenv("AWS_ACCESS_KEY_ID", c.key)
			t.Setenv("AWS_SECRET_ACCESS_KEY", c.key)
			file := filepath.Join(t.TempDir(), "config")
			if c.config != "" {
				if err := os.WriteFile(file, []byte(c.config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("AWS_CONFIG_FILE", file)
			if got := Alone(t.Context(), c.profile); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
