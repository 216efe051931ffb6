package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// A server is a Debian root with PostgreSQL, nginx and git as it was when its point release
// came out, a few days old: what changes it are the programs that change real ones.

// serverTools are what makes one.
var serverTools = []string{"debootstrap", "unshare", "chroot"}

// serverPackages are those that debootstrap is told of.
var serverPackages = []string{"postgresql", "nginx", "git", "python3", "man-db", "logrotate", "rsyslog", "systemd-journal-remote",
	"linux-image-" + runtime.GOARCH} // Debian's names of amd64 and arm64 are Go's

// beginServer is run by the shell with the directory of the server, its suite, the mirror,
// and the lines of its sources.list; packages are unpacked one after the other, as
// debootstrap does, so that their files have real change times.
const beginServer = `root=$1 suite=$2 mirror=$3 sources=$4 packages=$5 days=$6
	debootstrap --variant=minbase --include="$packages" "$suite" "$root" "$mirror"
	printf '%s' "$sources" > "$root/etc/apt/sources.list"
	printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d" # no service is started
	chmod 755 "$root/usr/sbin/policy-rc.d"
	exec unshare --pid --fork --kill-child --mount-proc="$root/proc" chroot "$root" /bin/sh -euc "$days"`

// chatter has the logs of a day written, as long ones as a small server has: $1 makes days
// differ. What journald would write comes from the same library, in place and by mmap(2).
const chatter = `chatter() {
	awk -v day="$1" 'BEGIN { srand(day); for (i = 0; i < 60000; i++)
		printf "192.0.2.%d - - [%02d/Nov/2026:%02d:%02d:%02d +0000] \"GET /page/%d HTTP/1.1\" 200 %d \"-\" \"agent %d\"\n",
			rand() * 250, day, i / 2500, i / 42 % 60, i % 60, rand() * 1e6, rand() * 1e5, rand() * 40 }' >> /var/log/nginx/access.log
	awk -v day="$1" 'BEGIN { srand(day); for (i = 0; i < 30000; i++)
		printf "Nov %2d %02d:%02d:%02d server daemon[%d]: request %d took %d ms\n",
			day, i / 1250, i / 21 % 60, i % 60, 300 + rand() * 9000, rand() * 1e9, rand() * 900 }' >> /var/log/syslog
	awk -v day="$1" 'BEGIN { srand(day); for (i = 0; i < 2000; i++)
		printf "2026-11-%02d %02d:%02d:%02d UTC [%d] LOG:  checkpoint complete: wrote %d buffers\n",
			day, i / 84, i % 60, i % 60, rand() * 9999, rand() * 9999 }' >> /var/log/postgresql/postgresql-main.log
	mkdir -p /var/log/journal/$(cat /etc/machine-id)
	awk -v day="$1" 'BEGIN { srand(day); for (i = 0; i < 15000; i++)
		printf "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\nPRIORITY=6\nSYSLOG_IDENTIFIER=daemon\n_PID=%d\nMESSAGE=request %d took %d ms\n\n",
			1795000000000000 + day * 86400000000 + i * 5760000, day * 86400000000 + i * 5760000, 300 + rand() * 9000, rand() * 1e9, rand() * 900 }' |
		/lib/systemd/systemd-journal-remote --split-mode=none -o "/var/log/journal/$(cat /etc/machine-id)/system.journal" - >/dev/null 2>&1
}
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
`

// serverDays are the days before the first bundle.
const serverDays = chatter + `
	[ -s /etc/machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
	apt-get -qq update
	apt-get clean
	apt-cache gencaches
	for day in 1 2 3; do
		chatter $day
		logrotate -f /etc/logrotate.conf || true
	done
	chatter 4
	mandb -q 2>/dev/null || true
	rm -f /var/lib/postgresql/.psql_history
	sync`

// serverDay is one more day: logs grow in place, the oldest are renamed and compressed,
// the indexes of manual pages and packages are made anew.
const serverDay = chatter + `
	chatter 5
	logrotate -f /etc/logrotate.conf || true
	chatter 6
	apt-get -qq update
	apt-cache gencaches
	mandb -qc 2>/dev/null || true
	echo "$(date '+%F %T') startup packages configure" >> /var/log/dpkg.log
	sync`

// serverUpgrade brings what came out since the point release, without new packages.
const serverUpgrade = chatter + `
	apt-get -qq -y -o Dpkg::Options::=--force-confold -o APT::Keep-Downloaded-Packages=false upgrade >/dev/null
	sync`

// makeServer makes one, or takes the one that is there.
func (b *bench) makeServer(t *tree) error {
	for _, tool := range serverTools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%s is not installed", tool)
		}
	}
	mirror, sources, err := b.sources()
	if err != nil {
		return err
	}
	t.what = "a Debian root (" + b.suite + ", minbase with a kernel, PostgreSQL, nginx and git)"
	t.path = filepath.Join(b.dir, "tree-I-"+b.suite)
	return b.build(t, []string{"/bin/sh", "-euc", beginServer, "sh", t.path + halfMade, b.suite, mirror, sources,
		strings.Join(serverPackages, ","), serverDays})
}

// sources returns the mirror that the machine's own apt has the suite of, unless -mirror
// says another, and sources.list with its updates, too.
func (b *bench) sources() (mirror, list string, err error) {
	lists, err := os.MkdirTemp(b.dir, "lists-")
	if err != nil {
		return "", "", err
	}
	defer os.RemoveAll(lists)
	out, err := exec.CommandContext(b.ctx, "apt-get", "--print-uris", "-o", "Dir::State::lists="+lists, "update").Output()
	if err != nil {
		return "", "", fmt.Errorf("apt-get --print-uris update: %w", err)
	}
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)^'(.+)/dists/(`+regexp.QuoteMeta(b.suite)+`-(updates|security))/InRelease'`).FindAllStringSubmatch(string(out), -1) {
		lines = append(lines, fmt.Sprintf("deb %s %s main\n", m[1], m[2]))
		if m[3] == "updates" { // other archives have a suite of that name too, but no updates for it
			mirror = cmp.Or(b.mirror, m[1])
			lines = append(lines, fmt.Sprintf("deb %s %s main\n", mirror, b.suite))
		}
	}
	if mirror == "" {
		return "", "", errors.New("the machine's apt has no sources of " + b.suite + " with its updates")
	}
	slices.Sort(lines)
	return mirror, strings.Join(slices.Compact(lines), ""), nil
}

// inServer runs a script in the root of a server; what it starts ends with it.
func (b *bench) inServer(root, script string) error {
	_, _, err := measure(b.ctx, []string{"unshare", "--pid", "--fork", "--kill-child", "--mount-proc=" + filepath.Join(root, "proc"),
		"chroot", root, "/bin/sh", "-euc", script})
	return err
}

// upgraded counts the packages that dpkg has upgraded in the root of a server.
func upgraded(root string) (n int, err error) {
	logs, err := filepath.Glob(filepath.Join(root, "var/log/dpkg.log*"))
	if err != nil {
		return 0, err
	}
	for _, name := range logs {
		text, err := os.ReadFile(name)
		if err != nil {
			return 0, err
		}
		n += strings.Count(string(text), " upgrade ")
	}
	return n, nil
}
