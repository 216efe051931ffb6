package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"purebundle/ext2img/imgtest"
)

// liveServer is a Debian that runs: a process tree with disks, mounts, a host
// name and a network of its own.
type liveServer struct {
	dir  string // its root directory
	work string // /mnt/backup there
	pid  int    // of its first process
	log  bytes.Buffer

	calm sync.RWMutex // held by whoever wants no changes
}

// livePackages are what the server has besides a minimal system.
const livePackages = "bind9,iproute2,nginx-light,openssh-server,postfix,sqlite3"

// liveInit is the first process. It gets the root directory, and writes a line
// when all services run.
const liveInit = `set -e
cd "$1"
hostname live
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t devtmpfs dev dev
mount -t tmpfs -o mode=755 tmpfs run
pivot_root . media
umount -l /media
ip link set lo up

# As the script of bind9 does: not even mtab knows of it.
jail=/var/named/chroot
mkdir -p $jail/etc $jail/dev $jail/proc $jail/run/named $jail/usr/share $jail/var/cache/bind $jail/var/log
cp -a /etc/bind $jail/etc/
cp -a /usr/share/dns $jail/usr/share/
chown -R bind: $jail/run/named $jail/var/cache/bind $jail/var/log
mknod -m 666 $jail/dev/null c 1 3
mount -n --bind /proc $jail/proc
named -t $jail -u bind -c /etc/bind/named.conf

mkdir -p /run/sshd /srv/jail/proc /srv/jail/dev /srv/jail/usr
mount -n --bind /proc /srv/jail/proc
touch /srv/jail/dev/null
mount -n --bind /dev/null /srv/jail/dev/null
mount -n --bind /usr /srv/jail/usr
echo 'Match User guest
ChrootDirectory /srv/jail' > /etc/ssh/sshd_config.d/jail.conf
/usr/sbin/sshd

nginx
cat > /etc/postfix/main.cf <<EOF
compatibility_level = 3.6
myhostname = live.example
mydestination = live.example, localhost
inet_interfaces = loopback-only
mynetworks_style = host
maillog_file = /var/log/mail.log
EOF
newaliases
postfix start
for name in named nginx sshd master; do
  grep -qx $name /proc/[0-9]*/comm || { echo "$name does not run"; exit 1; }
done

# The load: requests, mail, and rows that replace each other.
mkdir -p /var/lib/app
while :; do
  { printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3 >/dev/null; } 3<>/dev/tcp/127.0.0.1/80
  sleep 0.02
done 2>/dev/null &
n=0; while :; do n=$((n+1)); printf 'Subject: %d\n\n%d\n' $n $n | sendmail root; sleep 0.1; done &
{
  echo 'PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=200; CREATE TABLE t(id INTEGER PRIMARY KEY, v BLOB);'
  while :; do echo 'INSERT OR REPLACE INTO t VALUES(abs(random()) % 2000, randomblob(700));'; done
} | sqlite3 /var/lib/app/app.db >/dev/null &
while ! [ -s /var/lib/app/app.db-wal ] || ! [ -s /var/mail/root ] || ! [ -s /var/log/nginx/access.log ]; do sleep 0.1; done
echo ready
wait`

// newLiveServer installs the server on a disk, with /boot and /home on others,
// and starts it. It stops with the test.
func newLiveServer(t *testing.T) *liveServer {
	t.Helper()
	imgtest.NeedTool(t, "debootstrap")
	mirror, suite := debianMirror(t)
	s := &liveServer{dir: t.TempDir(), work: t.TempDir()}
	mountDisk(t, s.dir, 2<<30, "mkfs.ext4", "-q", "-O", "^has_journal")
	began := time.Now()
	imgtest.Run(t, "debootstrap", "--variant=minbase", "--include="+livePackages, suite, s.dir, mirror)
	t.Logf("debootstrap %s: %s", suite, time.Since(began).Round(time.Second))
	mountDisk(t, filepath.Join(s.dir, "boot"), 128<<20, "mkfs.ext4", "-q")
	mountDisk(t, filepath.Join(s.dir, "home"), 512<<20, "mkfs.xfs", "-q")
	backup := subdir(t, s.dir, "mnt/backup")
	if err := unix.Mount(s.work, backup, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { imgtest.Unmount(t, backup) })
	s.start(t)
	return s
}

// mountDisk makes a file system of size bytes in a file and mounts it on dir.
func mountDisk(t *testing.T, dir string, size int64, mkfs ...string) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, size)); err != nil {
		t.Fatal(err)
	}
	imgtest.Run(t, mkfs[0], append(mkfs[1:], image)...)
	imgtest.Run(t, "mount", "-o", "loop", image, dir)
	t.Cleanup(func() { imgtest.Unmount(t, dir) })
}

// start starts the first process, and with it all others, and waits for them.
func (s *liveServer) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command("bash", "-c", liveInit, "init", s.dir)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root"}
	cmd.Stderr = &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWNET,
		Pdeathsig:  syscall.SIGKILL,
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	s.pid = cmd.Process.Pid
	t.Cleanup(func() { // the kernel ends all processes of a namespace with its first
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	var out []byte
	for b := make([]byte, 4096); !bytes.HasSuffix(out, []byte("ready\n")); {
		n, err := r.Read(b)
		if out = append(out, b[:n]...); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // all of its log
			t.Fatalf("the server does not start: %v\n%s%s", err, out, &s.log)
		}
	}
}

// run runs a command of the server in its namespaces, and gives its exit
// status and what it wrote.
func (s *liveServer) run(t *testing.T, args ...string) (code int, output string) {
	t.Helper()
	cmd := exec.Command("nsenter", append([]string{"-t", strconv.Itoa(s.pid), "-m", "-p", "-u", "-n", "-r", "-w", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}
