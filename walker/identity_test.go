package walker

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"purebundle/walker/filter"
)

func TestIdentity(t *testing.T) {
	keys := []string{"/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/ssh/ssh_host_rsa_key", "/etc/ssh/ssh_host_rsa_key.pub"}
	base := []string{"etc/machine-id=0123456789abcdef", "etc/ssh/sshd_config=x", "var/lib/dbus/machine-id=0123"}
	for _, k := range keys {
		base = append(base, k[1:]+"=key")
	}
	const unit = "usr/lib/systemd/system/sshd-keygen@.service"
	tests := []struct {
		name  string
		files []string
		makes bool
	}{
		{"nothing makes keys", nil, false},
		{"cloud-init", []string{"usr/bin/cloud-init=x"}, true},
		{"cloud-init switched off", []string{"usr/bin/cloud-init=x", "etc/cloud/cloud-init.disabled="}, false},
		{"unit", []string{unit + "=x"}, true},
		{"unit in /lib", []string{"lib/systemd/system/sshd-keygen.service=x"}, true},
		{"/lib is a link", []string{unit + "=x", "lib -> usr/lib"}, true},
		{"masked unit", []string{unit + "=x", "etc/systemd/system/sshd-keygen@.service -> /dev/null"}, false},
		{"one of two masked", []string{unit + "=x", "usr/lib/systemd/system/sshd-keygen.service=x", "etc/systemd/system/sshd-keygen@.service -> /dev/null"}, true},
		{"SUSE", []string{"usr/sbin/sshd-gen-keys-start=x"}, true},
		{"a directory of that name", []string{"usr/bin/cloud-init/x"}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := makeTree(t, t.TempDir(), append(test.files, base...)...)
			res := walk(t, dir, Options{})
			for _, k := range keys {
				if kept := res.entries[k] != nil; kept == test.makes {
					t.Errorf("%s: kept %v", k, kept)
				}
			}
			warned := slices.ContainsFunc(res.Warnings, func(w Warning) bool { return strings.Contains(w.Text, "host key kept") && w.Count == len(keys) })
			if warned == test.makes {
				t.Errorf("warnings: %+v", res.Warnings)
			}
			want := []string{"/etc/machine-id: machine identity: emptied"}
			if test.makes {
				for _, k := range keys {
					want = append(want, k+": SSH host key, made anew at boot")
				}
			}
			diff(t, "filtered", leftLines(res.Filtered), append(want, "/var/lib/dbus/machine-id: machine identity"))
			if e := res.entries["/etc/machine-id"]; e == nil || e.Size != 0 || e.Mode != unix.S_IFREG|0o644 {
				t.Errorf("/etc/machine-id: %+v", e)
			}
			res = walk(t, dir, Options{Filter: filter.Choice{Classes: filter.None}})
			if len(res.Filtered) > 0 || res.entries["/etc/machine-id"].Size != 16 || res.entries[keys[0]] == nil || len(res.Warnings) > 0 {
				t.Errorf("without the filter: %v", res.Filtered)
			}
		})
	}
}

func TestMachineIDLinks(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "etc/machine-id -> ../run/machine-id", "var/lib/dbus/machine-id -> /etc/machine-id")
	res := walk(t, dir, Options{})
	if len(res.Filtered) > 0 || res.entries["/etc/machine-id"].Target != "../run/machine-id" || res.entries["/var/lib/dbus/machine-id"] == nil {
		t.Errorf("links: filtered %v", res.Filtered)
	}
	// A hard link must not bring the content back, nor share the emptied inode.
	dir = makeTree(t, t.TempDir(), "etc/machine-id=0123", "etc/a=x")
	must(t, os.Link(filepath.Join(dir, "etc/machine-id"), filepath.Join(dir, "etc/z")))
	res = walk(t, dir, Options{})
	if e := res.entries["/etc/z"]; e.Link != "" || e.Size != 4 {
		t.Errorf("hard link of an emptied file: %+v", e)
	}
	if e := res.entries["/etc/machine-id"]; e.Link != "" || e.Nlink != 1 {
		t.Errorf("%+v", e)
	}
}

func TestFiltered(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "root/.ssh/id_rsa=k", "root/.ssh/id_rsa.pub=k", "root/.bash_history=h", "var/lib/cloud/instance -> instances/i",
		"var/lib/cloud/instances/i/user-data=u", "var/lib/cloud/seed/s=1")
	res := walk(t, dir, Options{})
	diff(t, "paths", res.order, []string{"/", "/root", "/root/.ssh", "/root/.ssh/id_rsa.pub", "/var", "/var/lib", "/var/lib/cloud", "/var/lib/cloud/instances",
		"/var/lib/cloud/seed"})
	diff(t, "filtered", leftLines(res.Filtered), []string{"/root/.bash_history: shell history", "/root/.ssh/id_rsa: private SSH key",
		"/var/lib/cloud/instance: cloud-init instance state", "/var/lib/cloud/instances/i: cloud-init instance state",
		"/var/lib/cloud/seed/s: cloud-init instance state"})
}

// TestIncludes walks excluded directories for what an include names there.
func TestIncludes(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "a/b/c/keep=1", "a/b/c/x=1", "a/b/z/x=1", "a/d/keep=1", "a/e/f/=", "b/x=1", "tmp/keep/in=1", "tmp/x=1", "tmp/y/keep=1")
	tests := []struct {
		name string
		opt  Options
		want []string
		left []string
	}{
		{"one path", Options{Exclude: []string{"/a"}, Include: []string{"/a/b/c/keep"}}, []string{"/", "/a", "/a/b", "/a/b/c", "/a/b/c/keep", "/b", "/b/x", "/tmp"},
			[]string{"/a: exclude /a", "/tmp: the default for /tmp"}},
		{"a name anywhere", Options{Exclude: []string{"/a"}, Include: []string{"keep"}},
			[]string{"/", "/a", "/a/b", "/a/b/c", "/a/b/c/keep", "/a/d", "/a/d/keep", "/b", "/b/x", "/tmp", "/tmp/keep", "/tmp/keep/in", "/tmp/y", "/tmp/y/keep"},
			[]string{"/a: exclude /a", "/tmp: the default for /tmp"}},
		{"nothing there", Options{Exclude: []string{"/a"}, Include: []string{"/a/b/nowhere"}}, []string{"/", "/b", "/b/x", "/tmp"},
			[]string{"/a: exclude /a", "/tmp: the default for /tmp"}},
		{"all contents", Options{Exclude: []string{"/a/*"}, NoDefaultExcludes: true}, []string{"/", "/a", "/b", "/b/x", "/tmp", "/tmp/keep", "/tmp/keep/in", "/tmp/x",
			"/tmp/y", "/tmp/y/keep"}, []string{"/a/b: exclude /a/*", "/a/d: exclude /a/*", "/a/e: exclude /a/*"}},
		{"directory", Options{Exclude: []string{"/a", "/b"}, Include: []string{"/a/b/"}, NoDefaultExcludes: true}, []string{"/", "/a", "/a/b", "/a/b/c", "/a/b/c/keep",
			"/a/b/c/x", "/a/b/z", "/a/b/z/x", "/tmp", "/tmp/keep", "/tmp/keep/in", "/tmp/x", "/tmp/y", "/tmp/y/keep"}, []string{"/a: exclude /a", "/b: exclude /b"}},
		{"everything", Options{Exclude: []string{"**"}}, []string{"/"}, []string{"/a: exclude **", "/b: exclude **", "/tmp: exclude **"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res := walk(t, dir, test.opt)
			diff(t, "paths", res.order, test.want)
			diff(t, "excluded", leftLines(res.Excluded), test.left)
			for p, e := range res.entries {
				st, err := os.Lstat(filepath.Join(dir, p))
				must(t, err)
				if e.Mode&0o777 != uint32(st.Mode().Perm()) || st.ModTime().UnixNano() != e.Mtime.Sec*1e9+int64(e.Mtime.Nsec) {
					t.Errorf("%s: metadata of another entry", p)
				}
			}
		})
	}
}

// TestStaticDev keeps nodes of a /dev that is no mount if they are included, and makes the others.
func TestStaticDev(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "dev/disk/by-id/x -> y", "dev/sda=no node")
	must(t, unix.Mknod(filepath.Join(dir, "dev/null"), unix.S_IFCHR|0o600, int(unix.Mkdev(9, 9))))
	must(t, unix.Mknod(filepath.Join(dir, "dev/kmsg"), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 11))))
	res := walkAll(t, dir, Options{Include: []string{"/dev/null", "/dev/disk/by-id"}, Exclude: []string{"/dev/tty"}})
	diff(t, "paths", res.order, []string{"/", "/dev", "/dev/console", "/dev/disk", "/dev/disk/by-id", "/dev/disk/by-id/x", "/dev/full", "/dev/null", "/dev/random",
		"/dev/urandom", "/dev/zero"})
	if e := res.entries["/dev/null"]; e.Major != 9 {
		t.Errorf("an included node was replaced: %+v", e)
	}
	res = walkAll(t, dir, Options{NoDefaultExcludes: true})
	diff(t, "paths", res.order, []string{"/", "/dev", "/dev/disk", "/dev/disk/by-id", "/dev/disk/by-id/x", "/dev/kmsg", "/dev/null", "/dev/sda"})
	res = walkAll(t, makeTree(t, t.TempDir(), "dev=a file", "tmp -> elsewhere"), Options{})
	diff(t, "paths", res.order, []string{"/", "/dev", "/tmp"})
}

// TestHostKeysOfRoots judges the host keys of each root by what makes new ones there, and dropbear's apart from OpenSSH's.
func TestHostKeysOfRoots(t *testing.T) {
	const unit, ssh, dropbear = "usr/lib/systemd/system/", "etc/ssh/ssh_host_rsa_key=k", "etc/dropbear/dropbear_rsa_host_key=k"
	dir := makeTree(t, t.TempDir(), ssh, dropbear, unit+"sshd-keygen.service=x",
		"srv/a/etc/os-release=x", "srv/a/"+ssh, "srv/a/"+dropbear, "srv/a/"+unit+"dropbearkey.service=x",
		"srv/b/etc/os-release=x", "srv/b/"+ssh, "srv/b/"+dropbear)
	res := walkAll(t, dir, Options{})
	diff(t, "filtered", leftLines(res.Filtered), []string{"/etc/ssh/ssh_host_rsa_key: SSH host key, made anew at boot",
		"/srv/a/etc/dropbear/dropbear_rsa_host_key: SSH host key, made anew at boot"})
	if len(res.Warnings) != 1 || res.Warnings[0].Count != 4 {
		t.Errorf("warnings: %+v", res.Warnings)
	}
}
