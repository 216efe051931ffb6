package walker

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"purebundle/walker/filter"
	"purebundle/walker/pattern"
)

// planted returns files that an image should not carry, by class; ~ stands for each home. What is a directory ends with a slash.
func planted() map[filter.Class]string {
	return map[filter.Class]string{
		filter.Secrets: `
			~/.ssh/id_rsa ~/.ssh/id_ed25519 ~/.ssh/deploy ~/.ssh/work.pem ~/.ssh/keys/other
			/opt/app/.ssh/id_rsa /opt/app/.netrc /opt/app/.aws/credentials
			~/.aws/credentials ~/.aws/config ~/.aws/sso/cache/x.json ~/.aws/cli/cache/y.json
			~/.config/gcloud/credentials.db ~/.azure/accessTokens.json ~/.oci/config
			~/.docker/config.json ~/.config/containers/auth.json ~/.kube/config
			~/.gnupg/private-keys-v1.d/0123.key ~/.gnupg/secring.gpg
			~/.pgpass ~/.my.cnf ~/.mylogin.cnf ~/.git-credentials ~/.config/git/credentials
			~/.config/gh/hosts.yml ~/.config/hub ~/.config/glab-cli/config.yml ~/.config/rclone/rclone.conf ~/.config/doctl/config.yaml
			~/.config/hcloud/cli.toml ~/.config/op/config
			~/.netrc ~/_netrc ~/.npmrc ~/.yarnrc.yml ~/.pypirc ~/.gem/credentials ~/.cargo/credentials ~/.cargo/credentials.toml
			~/.m2/settings.xml ~/.gradle/gradle.properties ~/.composer/auth.json ~/.config/composer/auth.json ~/.terraformrc
			~/.terraform.d/credentials.tfrc.json ~/.vault-token ~/.boto ~/.s3cfg ~/.fly/config.yml
			~/.vnc/passwd ~/.config/tigervnc/passwd ~/.Xauthority ~/.ICEauthority
			~/.local/share/keyrings/login.keyring ~/.local/share/kwalletd/kdewallet.kwl ~/.password-store/mail.gpg
			~/.mozilla/firefox/a.default/logins.json ~/.mozilla/firefox/a.default/key4.db
			~/.thunderbird/a/logins.json ~/.thunderbird/a/key4.db
			~/snap/firefox/common/.mozilla/firefox/a/logins.json ~/snap/firefox/common/.mozilla/firefox/a/key4.db
			~/.var/app/org.mozilla.firefox/.mozilla/firefox/a/logins.json ~/.var/app/org.mozilla.firefox/.mozilla/firefox/a/key4.db
			~/.config/google-chrome/Default/Login+Data ~/snap/chromium/common/chromium/Default/Login+Data
			~/.var/app/com.google.Chrome/config/google-chrome/Default/Login+Data
			/etc/krb5.keytab /etc/ipsec.secrets /etc/ppp/chap-secrets /etc/ppp/pap-secrets /etc/wireguard/wg0.conf
			/etc/wpa_supplicant.conf /etc/wpa_supplicant/wpa_supplicant.conf /etc/wpa_supplicant/wpa_supplicant-wlan0.conf
			/etc/samba/smbpasswd /etc/ldap.secret /etc/luks/root.key /etc/cryptsetup-keys.d/home.key /etc/credstore/a /etc/credstore.encrypted/b
			/etc/apt/auth.conf /etc/apt/auth.conf.d/private.conf /etc/boto.cfg /etc/cifs-credentials /etc/docker/key.json
			/etc/NetworkManager/system-connections/home.nmconnection
			/var/lib/iwd/home.psk /var/lib/samba/private/secrets.tdb /var/lib/sss/secrets/secrets.ldb /var/lib/rabbitmq/.erlang.cookie
			/var/lib/tor/web/hs_ed25519_secret_key /var/cache/debconf/passwords.dat /var/cache/debconf/passwords.dat-old
			/etc/shadow- /etc/gshadow- /etc/security/opasswd /etc/opasswd`,
		filter.Histories: `
			~/.bash_history ~/.zsh_history ~/.zhistory ~/.sh_history ~/.ash_history ~/.ksh_history ~/.history ~/.histfile
			~/.python_history ~/.mysql_history ~/.psql_history ~/.node_repl_history ~/irb_history
			~/.dbshell ~/.lesshst ~/.viminfo ~/.wget-hsts
			~/.local/share/nvim/shada/main.shada ~/.local/state/nvim/shada/main.shada ~/.local/share/atuin/history.db
			~/.config/nushell/history.txt ~/.local/share/fish/fish_history ~/.local/share/powershell/PSReadLine/ConsoleHost_history.txt
			~/a~ ~/src/main.go~ ~/#letter# ~/src/#a# ~/.#letter ~/src/.#a ~/src/.main.go.swp
			/opt/app/.bash_history /opt/app/.zsh_history /opt/app/.x.swo
			/etc/fstab~ /etc/ssh/sshd_config~ /etc/#hosts# /etc/.#hosts /etc/.fstab.swp`,
		filter.Identity: `
			/var/lib/dbus/machine-id /etc/hostid /var/lib/systemd/credential.secret
			/etc/ssh/ssh_host_rsa_key /etc/ssh/ssh_host_rsa_key.pub /etc/ssh/ssh_host_ed25519_key /etc/dropbear/dropbear_rsa_host_key
			/var/lib/systemd/random-seed /var/lib/urandom/random-seed /var/lib/misc/random-seed /var/lib/random-seed /var/lib/seedrng/seed.credit
			/boot/loader/random-seed /boot/efi/loader/random-seed /efi/loader/random-seed
			/var/lib/dhcp/dhclient.eth0.leases /var/lib/dhclient/dhclient--eth0.lease /var/lib/NetworkManager/internal-1-eth0.lease
			/var/lib/dhcpcd/eth0.lease /var/lib/wicked/lease-eth0-dhcp-ipv4.xml
			/var/lib/dhcpcd/duid /var/lib/dhcpcd/secret /etc/dhcpcd.duid /etc/dhcpcd.secret /var/lib/wicked/duid.xml /var/lib/wicked/iaid.xml
			/var/lib/dhcpv6/dhcp6c_duid
			/var/lib/NetworkManager/secret_key /var/lib/NetworkManager/seen-bssids /var/lib/NetworkManager/timestamps
			/etc/udev/rules.d/70-persistent-net.rules /etc/lvm/devices/system.devices
			/var/lib/cloud/instance/ /var/lib/cloud/instances/i-1/user-data.txt /var/lib/cloud/seed/nocloud/user-data /var/lib/cloud/data/instance-id
			/var/lib/cloud/sem/config_scripts
			/var/lib/amazon/ssm/Vault/Store/RegistrationKey /var/lib/tailscale/tailscaled.state /var/lib/zerotier-one/identity.secret
			/etc/chef/client.pem /etc/puppet/ssl/private_keys/h.pem /etc/puppetlabs/puppet/ssl/private_keys/h.pem /var/lib/puppet/ssl/private_keys/h.pem
			/etc/salt/pki/minion/minion.pem /var/lib/salt/pki/minion/minion.pem /var/lib/kubelet/pki/kubelet-client-current.pem
			/var/lib/rancher/k3s/server/node-token /var/lib/rancher/k3s/server/token /etc/rancher/node/password
			/etc/pki/consumer/key.pem /etc/pki/entitlement/1-key.pem /etc/sysconfig/rhn/systemid /etc/zypp/credentials.d/SCCcredentials
			/var/lib/ubuntu-advantage/private/machine-token.json /etc/iscsi/initiatorname.iscsi /etc/nvme/hostnqn /etc/nvme/hostid
			/var/lib/bluetooth/00:11:22:33:44:55/settings
			/var/lib/systemd/tpm2-srk-public-key.pem /var/lib/systemd/pcrlock.json /var/lib/pcrlock.d/630-root.pcrlock`,
		filter.Logs: `
			/var/log/syslog /var/log/wtmp /var/log/btmp /var/log/lastlog /var/log/cloud-init-output.log /var/log/apt/history.log
			/var/log/journal/0123/system.journal /var/lib/lastlog/lastlog2.db /var/lib/wtmpdb/wtmp.db
			/var/mail/root /var/spool/mail/root /var/spool/cron/crontabs/root /var/spool/cron/atjobs/a1 /var/spool/at/a2
			/var/spool/postfix/active/1 /var/spool/postfix/bounce/1 /var/spool/postfix/corrupt/1 /var/spool/postfix/defer/1/2 /var/spool/postfix/deferred/1/2
			/var/spool/postfix/flush/1 /var/spool/postfix/hold/1 /var/spool/postfix/incoming/1 /var/spool/postfix/maildrop/1 /var/spool/postfix/saved/1
			/var/spool/postfix/trace/1
			/var/crash/_usr_bin_x.0.crash /var/lib/systemd/coredump/core.x.zst /core /core.1234 ~/core ~/core.77
			/root/anaconda-ks.cfg /root/install.log /root/autoinst.xml /var/adm/autoinstall/x.xml`,
	}
}

// nearMisses are files that look like planted ones and stay.
const nearMisses = `
	~/.ssh/id_rsa.pub ~/.ssh/keys/other.pub ~/.ssh/known_hosts ~/.ssh/known_hosts.old ~/.ssh/config ~/.ssh/rc ~/.ssh/environment
	~/id_rsa ~/credentials ~/ssh/id_rsa ~/.gnupg/pubring.kbx ~/.docker/daemon.json ~/.config/gh/config.yml ~/.cargo/config.toml
	~/.m2/repository/settings.xml ~/src/logins.json ~/src/app_history ~/src/.npmrc.example ~/history ~/.x.swf ~/a~b ~/#x ~/src/core
	/opt/app/.kube/config /opt/app/x~ /opt/app/.pgpass /opt/app/app_history /opt/app/config.json
	/etc/ssl/certs/ca.pem /etc/ssl/private/x.key /etc/apt/trusted.gpg.d/debian.gpg /usr/share/keyrings/debian-archive-keyring.gpg /etc/apt/keyrings/x.asc
	/etc/shadow /etc/gshadow /etc/passwd- /etc/hostname /etc/machine-info /etc/machine-id2 /opt/etc/machine-id /etc/ppp/options
	/etc/wpa_supplicant/functions.sh /etc/ssh/ssh_config /etc/ssh/sshd_config /etc/docker/daemon.json /etc/samba/smb.conf
	/etc/udev/rules.d/70-other.rules /etc/iscsi/iscsid.conf /etc/salt/pki/master/master.pem /etc/chef/client.rb /etc/lvm/lvm.conf
	/var/lib/dhcp/dhcpd.leases /var/lib/cloud/scripts/per-boot/x /var/lib/tor/web/hostname /var/cache/debconf/config.dat /var/lib/NetworkManager/x.conf
	/var/logs/x /opt/var/log/x /var/spool/postfix/pid/x /var/spool/lpd/x /usr/bin/git_history /usr/lib/x/core /var/lib/systemd/timers/stamp`

// accounts are those of SOURCE and of the chroot in it.
const accounts = `root:x:0:0:root:/root:/bin/sh
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3::/usr/bin:/usr/sbin/nologin
nobody:x:65534:65534::/:/usr/sbin/nologin
svc:x:120:120::/var/lib/svc:/bin/sh
jo:x:1005:1005::/srv/people/jo:/bin/sh
broken:line
dots:x:1:1::/home/../etc:/bin/sh
`

// expand returns the paths of a list in every root and every home there.
func expand(list string) []string {
	var out []string
	for _, root := range []string{"", "/srv/chroot/web", "/@old"} {
		for _, p := range strings.Fields(list) {
			p = strings.ReplaceAll(p, "+", " ")
			rest, inHome := strings.CutPrefix(p, "~")
			if !inHome {
				out = append(out, root+p)
				continue
			}
			for _, home := range []string{"/root", "/home/u", "/srv/people/jo", "/var/lib/svc"} {
				if root != "/@old" || home == "/root" || home == "/home/u" { // it has no passwd
					out = append(out, root+home+rest)
				}
			}
		}
	}
	return out
}

// plantAll makes a tree with all places and near misses.
func plantAll(t testing.TB) string {
	t.Helper()
	const units = "usr/lib/systemd/system/"
	names := []string{"etc/passwd=" + accounts, "srv/chroot/web/etc/passwd=" + accounts, "@old/usr/lib/os-release=ID=debian\n"}
	for _, root := range []string{"", "srv/chroot/web/", "@old/"} {
		names = append(names, root+units+"sshd-keygen.service=x", root+units+"dropbearkey.service=x", root+"etc/machine-id=0123")
	}
	lists := []string{nearMisses}
	for _, list := range planted() {
		lists = append(lists, list)
	}
	for _, list := range lists {
		for _, p := range expand(list) {
			names = append(names, p[1:]+"=x")
			if strings.HasSuffix(p, "/") {
				names[len(names)-1] = p[1:]
			}
		}
	}
	return makeTree(t, t.TempDir(), names...)
}

// TestPlaces has each class leave out what is planted for it, in each root and each home, and nothing else.
func TestPlaces(t *testing.T) {
	dir := plantAll(t)
	classes := []filter.Class{filter.Secrets, filter.Histories, filter.Identity, filter.Logs}
	for _, on := range classes {
		res := walk(t, dir, Options{Filter: filter.Choice{Classes: on}})
		for class, list := range planted() {
			for _, p := range expand(list) {
				p = strings.TrimSuffix(p, "/")
				kept, reported := res.entries[p] != nil, filteredAt(res.Filtered, p)
				if kept == (class == on) || reported != (class == on) {
					t.Errorf("%s: %s is kept: %v, reported: %v", on, p, kept, reported)
				}
			}
		}
		for _, p := range expand(nearMisses) {
			if res.entries[p] == nil {
				t.Errorf("%s took %s", on, p)
			}
		}
		for _, root := range []string{"", "/srv/chroot/web", "/@old"} {
			if id := res.entries[root+"/etc/machine-id"]; id == nil || (id.Size == 0) != (on == filter.Identity) {
				t.Errorf("%s: machine-id %+v", on, id)
			}
			for _, d := range []string{"/var/log", "/var/log/apt", "/var/spool/cron/crontabs", "/etc/wireguard", "/etc/NetworkManager/system-connections"} {
				if res.entries[root+d] == nil {
					t.Errorf("%s took the directory %s", on, root+d)
				}
			}
		}
	}
}

// filteredAt says whether the path or a directory above it is reported.
func filteredAt(list []Left, p string) bool {
	return slices.ContainsFunc(list, func(l Left) bool { return l.Path == p || strings.HasPrefix(p, l.Path+"/") })
}

// TestDefaultClasses walks the planted tree by the defaults.
func TestDefaultClasses(t *testing.T) {
	dir := plantAll(t)
	all := 0
	for _, test := range []struct {
		name   string
		choice filter.Choice
		out    filter.Class
	}{
		{"kept by its owner", filter.Choice{}, filter.Secrets | filter.Histories | filter.Identity},
		{"given away", filter.Choice{GiveAway: true}, filter.Secrets | filter.Histories | filter.Identity | filter.Logs},
		{"none", filter.Choice{Classes: filter.None, GiveAway: true}, 0},
		{"two", filter.Choice{Classes: filter.Histories | filter.Logs}, filter.Histories | filter.Logs},
	} {
		t.Run(test.name, func(t *testing.T) {
			res := walk(t, dir, Options{Filter: test.choice})
			for class, list := range planted() {
				for _, p := range expand(list) {
					p = strings.TrimSuffix(p, "/")
					if kept := res.entries[p] != nil; kept == (class&test.out != 0) {
						t.Errorf("%s: kept %v", p, kept)
					}
					all++
				}
			}
			if journal := (Left{Path: "/var/log/journal/0123", Rule: "journal of this machine"}); slices.Contains(res.Filtered, journal) != (test.out&filter.Logs != 0) {
				t.Errorf("%+v is reported: %v", journal, test.out&filter.Logs == 0)
			}
			if test.out == 0 && len(res.Filtered) > 0 {
				t.Errorf("filtered: %v", res.Filtered)
			}
		})
	}
	if all == 0 {
		t.Error("nothing planted")
	}
}

// TestEveryPlaceIsPlanted has an example of each path in the table that no other path of its class knows, so that TestPlaces fails without the
// path. An exception has a near miss that would be left out without it.
func TestEveryPlaceIsPlanted(t *testing.T) {
	type known struct {
		*pattern.Set
		filter.Place
		text string
	}
	var table []known
	for _, place := range filter.Table() {
		under := map[filter.Where]string{filter.Root: "", filter.Home: "/home/u", filter.Any: ""}[place.Where]
		for _, text := range place.Paths {
			one := place
			one.Paths = []string{text}
			var all []string
			for _, pattern := range one.Patterns() {
				all = append(all, under+pattern)
			}
			set, err := pattern.NewSet(all)
			must(t, err)
			table = append(table, known{set, place, strings.Join(all, " ")})
		}
	}
	examples := planted()
	examples[filter.Secrets] += " /home/u/.ssh/authorized_keys /home/u/.ssh/authorized_keys2 /opt/app/.ssh/authorized_keys /opt/app/.ssh/authorized_keys2 /etc/cifs-credentials/x"
	examples[filter.Identity] += " /etc/machine-id"
	for i, k := range table {
		list := examples[k.Class]
		if k.Take == filter.Nothing {
			list = nearMisses
		}
		if !slices.ContainsFunc(expand(list), func(p string) bool {
			p = strings.TrimSuffix(p, "/")
			at := matchedAt(k.Set, k.Take, p)
			return at != "" && !slices.ContainsFunc(slices.Concat(table[:i], table[i+1:]), func(o known) bool {
				other := matchedAt(o.Set, o.Take, p)
				return o.Class == k.Class && (o.Take == filter.Nothing) == (k.Take == filter.Nothing) && other != "" && len(other) <= len(at)
			})
		}) {
			t.Errorf("no example of %s alone", k.text)
		}
	}
	if len(table) < 150 {
		t.Errorf("only %d places", len(table))
	}
}

// matchedAt returns the path, or the directory above it, that a place is reported at; "" if it does not match. Of directories only filter.Name
// takes what is in them.
func matchedAt(s *pattern.Set, take filter.Take, p string) string {
	states := s.Top()
	for end := 1; ; end++ {
		rest := strings.IndexByte(p[end:], '/')
		start := strings.LastIndexByte(p[:end], '/') + 1
		if rest < 0 {
			if s.Match(states, p[start:], false) >= 0 {
				return p
			}
			return ""
		}
		end += rest
		if take == filter.Name && s.Match(states, p[start:end], true) >= 0 {
			return p[:end]
		}
		states = s.Descend(states, p[start:end])
	}
}

// TestHomesBehindLinks has homes where the walk meets them: /home and /root as links, as in trees of ostree.
func TestHomesBehindLinks(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "home -> var/home", "root -> /var/roothome", "var/home/u/.pgpass=x", "var/roothome/.pgpass=x", "var/other/.pgpass=x",
		"etc/passwd=jo:x:1000:1000::/people/jo:/bin/sh\nloop:x:1001:1001::/loop/x:/bin/sh\n", "people -> ../../srv/people", "srv/people/jo/.pgpass=x", "loop -> loop")
	res := walkAll(t, dir, Options{})
	diff(t, "filtered", leftLines(res.Filtered), []string{"/srv/people/jo/.pgpass: stored credentials", "/var/home/u/.pgpass: stored credentials",
		"/var/roothome/.pgpass: stored credentials"})
}

// TestLogins keeps authorized_keys in an image that its owner keeps, and tells it.
func TestLogins(t *testing.T) {
	dir := makeTree(t, t.TempDir(), "root/.ssh/authorized_keys=k", "home/u/.ssh/authorized_keys2=k", "srv/app/.ssh/authorized_keys=k")
	paths := []string{"/home/u/.ssh/authorized_keys2", "/root/.ssh/authorized_keys", "/srv/app/.ssh/authorized_keys"}
	res := walk(t, dir, Options{})
	for _, p := range paths {
		if res.entries[p] == nil {
			t.Errorf("%s is left out", p)
		}
	}
	if len(res.Warnings) != 1 || res.Warnings[0].Text != keptLogin || res.Warnings[0].Count != 3 || len(res.Filtered) > 0 {
		t.Errorf("warnings %+v, filtered %v", res.Warnings, res.Filtered)
	}
	res = walk(t, dir, Options{Filter: filter.Choice{GiveAway: true}})
	diff(t, "filtered", leftLines(res.Filtered), []string{paths[0] + ": SSH authorized keys", paths[1] + ": SSH authorized keys", paths[2] + ": SSH authorized keys"})
	if len(res.Warnings) > 0 {
		t.Errorf("warnings %+v", res.Warnings)
	}
}

// TestConnections keeps connections of NetworkManager's that hold no secret: the machine is reached by them.
func TestConnections(t *testing.T) {
	const at = "etc/NetworkManager/system-connections/"
	dir := makeTree(t, t.TempDir(),
		at+"wired=[connection]\nid=wired\ntype=ethernet\n[ipv4]\nmethod=manual\n[wifi-security]\npsk-flags=1\nwep-key-type=1\npsk=\n",
		at+"wifi=[connection]\nid=wifi\n[wifi-security]\npsk = hunter22\n", at+"vpn=[connection]\nid=v\n[vpn-secrets]\nx=y\n",
		at+"eap=[connection]\nid=v\n[802-1x]\nprivate-key-password=x\n", at+"odd=psk?", at+"link -> wifi")
	res := walk(t, dir, Options{})
	var left []string
	for _, l := range res.Filtered {
		left = append(left, path.Base(l.Path))
	}
	diff(t, "left out", left, []string{"eap", "odd", "vpn", "wifi"})
	if res.entries["/"+at+"wired"].Size == 0 || res.entries["/"+at+"link"] == nil {
		t.Error("the wired connection is gone")
	}
}

// TestCredentialsDirectory has a directory where others have a file.
func TestCredentialsDirectory(t *testing.T) {
	res := walk(t, makeTree(t, t.TempDir(), "etc/cifs-credentials/share=x", "root/core/main.c=x"), Options{Filter: filter.Choice{GiveAway: true}})
	diff(t, "paths", res.order, []string{"/", "/etc", "/etc/cifs-credentials", "/root", "/root/core", "/root/core/main.c"})
}

// TestCloudInstance leaves the link out, and the directory.
func TestCloudInstance(t *testing.T) {
	for _, instance := range []string{"var/lib/cloud/instance -> instances/i", "var/lib/cloud/instance/user-data=x"} {
		res := walk(t, makeTree(t, t.TempDir(), instance, "var/lib/cloud/instances/i/user-data=u"), Options{})
		diff(t, instance, res.order, []string{"/", "/var", "/var/lib", "/var/lib/cloud", "/var/lib/cloud/instances"})
		diff(t, instance+": filtered", leftLines(res.Filtered), []string{"/var/lib/cloud/instance: cloud-init instance state", "/var/lib/cloud/instances/i: cloud-init instance state"})
	}
}

// TestSubvolumes has roots in subvolumes of btrfs, as snapshots of an older system are kept, and one that is no root.
func TestSubvolumes(t *testing.T) {
	needRoot(t)
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, 256<<20))
	run(t, "mkfs.btrfs", "-q", image)
	loopMount(t, image, dir)
	for _, name := range []string{"@old", "@data"} {
		run(t, "btrfs", "subvolume", "create", filepath.Join(dir, name))
	}
	makeTree(t, dir, "etc/passwd="+accounts, "@old/etc/passwd="+accounts, "@old/srv/people/jo/.pgpass=x", "@old/etc/shadow-=x", "@old/etc/machine-id=0123",
		"@old/root/notes=-----BEGIN PRIVATE KEY-----\n", "@data/etc/shadow-=x", "@data/root/.pgpass=x", "srv/people/jo/.pgpass=x")
	res := walkAll(t, dir, Options{})
	diff(t, "filtered", leftLines(res.Filtered), []string{"/@old/etc/machine-id: machine identity: emptied", "/@old/etc/shadow-: password hashes",
		"/@old/root/notes: private key in PEM", "/@old/srv/people/jo/.pgpass: stored credentials", "/srv/people/jo/.pgpass: stored credentials"})
}
