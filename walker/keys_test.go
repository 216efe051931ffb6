package walker

import (
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/walker/filter"
)

// realKeys has other people's tools make a key of every kind, and returns the directory with the kind of each by name.
func realKeys(t *testing.T) (dir string, kinds map[string]string) {
	t.Helper()
	dir = t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	const ssh, pem, p12 = "private SSH key", "private key in PEM", "PKCS #12 key store"
	kinds = map[string]string{
		"ssh-ed25519": ssh, "ssh-rsa": ssh, "ssh-locked": ssh, "ssh-pem": pem, "ssh-pkcs8": pem,
		"rsa": pem, "ed25519": pem, "locked": pem, "traditional": pem, "ec": pem, "both": pem, "bags": pem,
		"store": p12, "javastore": p12, "jks": "Java key store", "pgp": "private PGP key", "putty": "PuTTY key", "age": "age secret key", "bare-age": "age secret key",
	}
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at("ssh-ed25519"))
	run(t, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", at("ssh-rsa"))
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", at("ssh-locked"))
	run(t, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", at("ssh-pem"))
	run(t, "ssh-keygen", "-q", "-t", "ecdsa", "-m", "PKCS8", "-N", "", "-f", at("ssh-pkcs8"))
	run(t, "openssl", "genpkey", "-algorithm", "RSA", "-out", at("rsa"))
	run(t, "openssl", "genpkey", "-algorithm", "ED25519", "-out", at("ed25519"))
	run(t, "openssl", "genpkey", "-algorithm", "RSA", "-aes-256-cbc", "-pass", "pass:secret", "-out", at("locked"))
	run(t, "openssl", "rsa", "-traditional", "-in", at("rsa"), "-out", at("traditional"))
	run(t, "openssl", "ecparam", "-genkey", "-name", "prime256v1", "-out", at("ec")) // begins with the parameters
	run(t, "openssl", "req", "-x509", "-new", "-key", at("rsa"), "-subj", "/CN=x", "-out", at("cert.crt"))
	run(t, "openssl", "req", "-new", "-key", at("rsa"), "-subj", "/CN=x", "-out", at("request.csr"))
	run(t, "openssl", "pkey", "-in", at("rsa"), "-pubout", "-out", at("public.pem"))
	run(t, "openssl", "pkcs12", "-export", "-inkey", at("rsa"), "-in", at("cert.crt"), "-passout", "pass:secret", "-out", at("store"))
	run(t, "openssl", "pkcs12", "-in", at("store"), "-passin", "pass:secret", "-nodes", "-out", at("bags"))
	run(t, "sh", "-c", "cat "+at("cert.crt")+" "+at("rsa")+" > "+at("both"))
	run(t, "sh", "-c", "cat "+strings.Repeat(at("cert.crt")+" ", 20)+" > "+at("bundle.pem"))
	for _, kind := range []string{"JKS", "PKCS12"} {
		name := map[string]string{"JKS": "jks", "PKCS12": "javastore"}[kind]
		run(t, "keytool", "-genkeypair", "-keyalg", "RSA", "-dname", "CN=x", "-storetype", kind, "-storepass", "secret", "-keypass", "secret", "-keystore", at(name))
	}
	gnupg := t.TempDir()
	run(t, "gpg", "--homedir", gnupg, "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", "x@example.org", "ed25519")
	t.Cleanup(func() { run(t, "gpgconf", "--homedir", gnupg, "--kill", "all") })
	run(t, "gpg", "--homedir", gnupg, "--batch", "--armor", "--output", at("pgp"), "--export-secret-keys")
	run(t, "gpg", "--homedir", gnupg, "--batch", "--armor", "--output", at("pgp.asc"), "--export")
	makeTree(t, dir, // PuTTY's and age's own words
		"putty=PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: x\r\n",
		"age=# created: 2026-01-01T00:00:00Z\n# public key: age1x\nAGE-SECRET-KEY-1"+strings.Repeat("Q", 58)+"\n",
		"bare-age=AGE-SECRET-KEY-1"+strings.Repeat("Q", 58)+"\n",
		"notes=this is how to put a key in:\n-----BEGIN PRIVATE KEY-----\nhere\n", "comments=# a file of comments alone\n# and nothing else in it at all\n",
		"almost=-----BEGIN PUBLIC KEY-----\n-----BEGIN PRIVATE KEY is not the end\n", "large=-----BEGIN PRIVATE KEY-----\n"+strings.Repeat("x", 64<<10))
	return dir, kinds
}

// inPlace copies all files of dir to every place below a new SOURCE.
func inPlace(t *testing.T, dir string, places []string) string {
	t.Helper()
	source := makeTree(t, t.TempDir(), "etc/passwd=jo:x:1005:1005::/srv/people/jo:/bin/sh\nsvc:x:120:120::/srv/svc:/bin/sh\nwww:x:1006:1006::/var/lib/www:/bin/sh\n")
	for _, p := range places {
		must(t, os.MkdirAll(filepath.Join(source, p), 0o755))
		run(t, "cp", "-a", dir+"/.", filepath.Join(source, p))
	}
	return source
}

// TestKeysByContent has keys of all kinds lie in all kinds of places under names that say nothing.
func TestKeysByContent(t *testing.T) {
	dir, kinds := realKeys(t)
	homes := []string{"/root/stuff", "/home/u", "/srv/people/jo/deep/down"}
	stay := []string{"/etc/ssl/private", "/var/lib/app", "/var/lib/www", "/srv/app", "/srv/svc"}
	source := inPlace(t, dir, append(append([]string{"/usr/share/app"}, homes...), stay...))
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, test := range []struct {
		name    string
		choice  filter.Choice
		out, in []string // places whose keys are left out, and kept but told
	}{
		{"bundle", filter.Choice{}, homes, stay},
		{"--filter-keys", filter.Choice{Keys: true}, append(slices.Clone(homes), stay...), nil},
		{"given away", filter.Choice{GiveAway: true}, append(slices.Clone(homes), stay...), nil},
		{"other classes", filter.Choice{Classes: filter.Histories, Keys: true}, nil, nil},
		{"none", filter.Choice{Classes: filter.None}, nil, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := walk(t, source, Options{Filter: test.choice})
			var filtered, keys []string
			told := 0
			for _, p := range append(append([]string{"/usr/share/app"}, homes...), stay...) {
				for _, f := range files {
					kind := kinds[f.Name()]
					at := p + "/" + f.Name()
					kept := kind == "" || !slices.Contains(test.out, p)
					if (res.entries[at] != nil) != kept {
						t.Errorf("%s: kept %v", at, !kept)
					}
					if !kept {
						filtered = append(filtered, at+": "+kind)
					}
					if kind != "" && slices.Contains(test.in, p) && !unlooked(t, source, at) {
						keys = append(keys, at+": "+kind)
						told++
					}
				}
			}
			slices.Sort(filtered)
			slices.Sort(keys)
			got, gotKeys := leftLines(res.Filtered), leftLines(res.Keys)
			slices.Sort(got)
			slices.Sort(gotKeys)
			diff(t, "filtered", got, filtered)
			diff(t, "keys", gotKeys, keys)
			if told == 0 && len(res.Warnings) > 0 || told > 0 && (len(res.Warnings) != 1 || res.Warnings[0].Text != keptKey || res.Warnings[0].Count != told) {
				t.Errorf("%d told: %+v", told, res.Warnings)
			}
		})
	}
}

// unlooked says whether a file of these tests is not looked at in a bundle that its owner keeps: a name that says nothing, readable by all,
// in a directory of data, of which there may be millions.
func unlooked(t *testing.T, source, p string) bool {
	st, err := os.Stat(source + p)
	must(t, err)
	base := filepath.Base(p)
	return strings.HasPrefix(p, "/srv/") && st.Mode()&0o004 != 0 && !strings.Contains(base, "ssh")
}

// TestKeysInOtherRoots has the areas of a chroot be judged as those of SOURCE.
func TestKeysInOtherRoots(t *testing.T) {
	const key = "=-----BEGIN PRIVATE KEY-----\n"
	dir := makeTree(t, t.TempDir(), "srv/web/etc/passwd=x", "srv/web/root/k"+key, "srv/web/usr/k"+key, "srv/web/etc/k"+key, "usr/c/etc/os-release=x", "usr/c/home/u/k"+key,
		"home/u/chroot/etc/passwd=x", "home/u/chroot/opt/k"+key, "home/u/chroot/usr/k"+key, "usr/share/root/k"+key, "srv/plain/usr/key"+key)
	res := walkAll(t, dir, Options{})
	const rule = ": private key in PEM"
	diff(t, "filtered", leftLines(res.Filtered), []string{"/home/u/chroot/opt/k" + rule, "/srv/web/root/k" + rule, "/usr/c/home/u/k" + rule})
	diff(t, "keys", leftLines(res.Keys), []string{"/srv/plain/usr/key" + rule, "/srv/web/etc/k" + rule})
}

// TestIncludedKey keeps a key that an include names, and lists it.
func TestIncludedKey(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "root/a=-----BEGIN PRIVATE KEY-----\n", "root/b/c=-----BEGIN PRIVATE KEY-----\n")
	res := walk(t, dir, Options{Include: []string{"/root/a", "/root/b"}, Filter: filter.Choice{GiveAway: true}})
	diff(t, "keys", leftLines(res.Keys), []string{"/root/a: private key in PEM", "/root/b/c: private key in PEM"})
	if res.entries["/root/a"] == nil || res.entries["/root/b/c"] == nil || len(res.Filtered)+len(res.Warnings) > 0 {
		t.Errorf("filtered %v, warnings %v", res.Filtered, res.Warnings)
	}
}

// TestNamedKeys lists files that only their names say to be keys.
func TestNamedKeys(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "srv/api-KEY=x", "srv/api-key.pub=x", "srv/open-key=x", "srv/http.keytab=x", "srv/s.pfx=x", "usr/k/mykey=x", "srv/empty-key=", "srv/keys/")
	for _, p := range []string{"srv/api-KEY", "srv/api-key.pub", "srv/s.pfx", "usr/k/mykey", "srv/empty-key"} {
		must(t, os.Chmod(filepath.Join(dir, p), 0o600))
	}
	const rule = ": name of a key"
	res := walk(t, dir, Options{})
	diff(t, "keys", leftLines(res.Keys), []string{"/srv/api-KEY" + rule, "/srv/http.keytab" + rule, "/srv/s.pfx" + rule, "/usr/k/mykey" + rule})
}

// TestManyKeys counts all keys and lists as many as a manifest has room for.
func TestManyKeys(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "keys/")
	for i := range maxListed + 1 {
		must(t, unix.Mknod(filepath.Join(dir, "keys", strconv.Itoa(i)+".keytab"), unix.S_IFREG|0o600, 0))
		must(t, os.Truncate(filepath.Join(dir, "keys", strconv.Itoa(i)+".keytab"), 1))
	}
	if res := walk(t, dir, Options{}); len(res.Keys) != maxListed || res.Omitted.Keys != 1 {
		t.Errorf("%d listed, %d omitted", len(res.Keys), res.Omitted.Keys)
	}
}

// TestNoKeyBlocks has what is no regular file lie where keys are looked for, and a file that somebody else writes with a lease on it.
func TestNoKeyBlocks(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "root/link -> key", "root/key=-----BEGIN PRIVATE KEY-----\n", "root/leased=-----BEGIN PRIVATE KEY-----\n", "root/dir/")
	must(t, unix.Mkfifo(filepath.Join(dir, "root/id_fifo"), 0o600))
	must(t, unix.Mkfifo(filepath.Join(dir, "root/wifi"), 0o600))
	must(t, unix.Mknod(filepath.Join(dir, "root/tty.key"), unix.S_IFCHR|0o600, int(unix.Mkdev(5, 0))))
	f, err := os.OpenFile(filepath.Join(dir, "root/leased"), os.O_WRONLY, 0)
	must(t, err)
	defer f.Close()
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_WRLCK)
	must(t, err)
	signal.Ignore(unix.SIGIO) // what the kernel tells the lease's holder by
	t.Cleanup(func() { signal.Reset(unix.SIGIO) })
	began := time.Now()
	res := walk(t, dir, Options{Filter: filter.Choice{GiveAway: true}})
	diff(t, "filtered", leftLines(res.Filtered), []string{"/root/key: private key in PEM"})
	diff(t, "paths", res.order, []string{"/", "/root", "/root/dir", "/root/id_fifo", "/root/leased", "/root/link", "/root/tty.key", "/root/wifi"})
	if d := time.Since(began); d > 20*time.Second { // the kernel breaks a lease after 45 s
		t.Errorf("it took %v", d)
	}
}

// TestAccessTimes has looking for keys leave access times alone.
func TestAccessTimes(t *testing.T) {
	needRoot(t)
	dir := makeTree(t, t.TempDir(), "root/notes=nothing that would be a secret to anybody", "etc/passwd=root:x:0:0::/root:/bin/sh\n")
	old := time.Unix(1e9, 0)
	for _, p := range []string{"root/notes", "etc/passwd"} {
		must(t, os.Chtimes(filepath.Join(dir, p), old, old.Add(time.Hour)))
	}
	walkAll(t, dir, Options{})
	for _, p := range []string{"root/notes", "etc/passwd"} {
		var st unix.Stat_t
		must(t, unix.Stat(filepath.Join(dir, p), &st))
		if st.Atim.Sec != old.Unix() {
			t.Errorf("%s was accessed at %d", p, st.Atim.Sec)
		}
	}
}

// TestNamedSecrets has files that the caller names never enter, under any name and whatever is included.
func TestNamedSecrets(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "usr/pk=my key", "usr/z/other=x", "srv/mine=y", "srv/link -> mine")
	must(t, os.Link(filepath.Join(dir, "usr/pk"), filepath.Join(dir, "srv/again")))
	opt := Options{
		Secret: []string{filepath.Join(dir, "usr/pk"), filepath.Join(dir, "srv/link")}, Include: []string{"/**"},
		Filter: filter.Choice{Classes: filter.None}, NoDefaultExcludes: true,
	}
	res := walkAll(t, dir, opt)
	diff(t, "paths", res.order, []string{"/", "/srv", "/srv/link", "/usr", "/usr/z", "/usr/z/other"})
	const rule = ": named as a secret"
	diff(t, "filtered", leftLines(res.Filtered), []string{"/srv/again" + rule, "/srv/mine" + rule, "/usr/pk" + rule})
	opt.Secret = []string{filepath.Join(dir, "nowhere")}
	if _, err := walkErr(t, dir, opt); err == nil {
		t.Error("a secret that is not there was no error")
	}
}
