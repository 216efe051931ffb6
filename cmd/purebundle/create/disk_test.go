package create_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/create"
	"purebundle/cmd/purebundle/look"
	"purebundle/ext2img/imgtest"
	"purebundle/walker/bootcheck"
	"purebundle/walker/edit"
	"purebundle/walker/survey"
)

const mib = int64(1) << 20

// machine is one with a disk of its own, in a file, whose file systems are mounted as a
// running system has them.
type machine struct {
	image string
	root  string // SOURCE
	check bootcheck.Target
	*survey.Machine
}

// fs is a file system of such a machine.
type fs struct {
	number int
	at     string // "" is not mounted
	mkfs   []string
}

// newMachine makes a disk with sgdisk or sfdisk, and mounts its file systems.
func newMachine(t *testing.T, size int64, divide func(image string), systems ...fs) *machine {
	t.Helper()
	imgtest.RequireRoot(t)
	m := &machine{image: filepath.Join(t.TempDir(), "disk"), root: filepath.Join(t.TempDir(), "root")}
	if err := errors.Join(os.WriteFile(m.image, nil, 0o600), os.Truncate(m.image, size), os.Mkdir(m.root, 0o755)); err != nil {
		t.Fatal(err)
	}
	divide(m.image)
	table := m.read(t)
	for _, f := range systems {
		p := partition(t, table, f.number)
		loop := attach(t, m.image, p.Start, p.Size)
		imgtest.Run(t, f.mkfs[0], append(f.mkfs[1:], loop)...)
		if f.at == "" {
			continue
		}
		dir := filepath.Join(m.root, f.at)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if f.mkfs[0] == "true" { // it is a FAT that was made already, which the kernel may not know
			continue
		}
		imgtest.Run(t, "mount", loop, dir)
		t.Cleanup(func() { imgtest.Unmount(t, dir) })
	}
	imgtest.Run(t, "sync")
	m.Machine = &survey.Machine{Disk: m.read(t)}
	d := m.Disk
	d.Path = m.image
	for i := range d.Partitions {
		p := &d.Partitions[i]
		p.Device = fmt.Sprintf("/dev/vda%d", p.Number)
		for _, f := range systems {
			if f.number == p.Number {
				p.MountPoint = f.at
			}
		}
		switch p.MountPoint {
		case "/":
			d.Root = i
		case "/boot":
			if p.FileSystem.Type == "vfat" && p.Type != survey.TypeXBOOTLDR {
				d.ESP = i
			} else {
				d.Boot = i
			}
		}
	}
	return m
}

func (m *machine) read(t *testing.T) *survey.Disk {
	t.Helper()
	f, size := imgtest.OpenImage(t, m.image)
	d, err := survey.Read(f, size, 512)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func partition(t *testing.T, d *survey.Disk, number int) *survey.Partition {
	t.Helper()
	for i := range d.Partitions {
		if d.Partitions[i].Number == number {
			return &d.Partitions[i]
		}
	}
	t.Fatalf("no partition %d", number)
	return nil
}

// attach puts a piece of a file behind a loop device until the test ends.
func attach(t *testing.T, image string, start, size int64) string {
	t.Helper()
	loop := strings.TrimSpace(imgtest.Run(t, "losetup", "-f", "--show", "-o", fmt.Sprint(start), "--sizelimit", fmt.Sprint(size), image))
	t.Cleanup(func() { imgtest.Run(t, "losetup", "-d", loop) })
	return loop
}

// put writes files below dir.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		file := filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// made is a bundle of a disk.
type made struct {
	dest, image string
	m           *chunk.Manifest
	said        string
}

// bundle bundles the machine's disk, has "verify --deep" look at it, and joins it.
func (m *machine) bundle(t *testing.T, flags ...string) *made {
	t.Helper()
	work := t.TempDir()
	b := &made{dest: filepath.Join(work, "bundle"), image: filepath.Join(work, "disk")}
	var err error
	if b.said, err = m.run(t, b.dest, flags...); err != nil {
		t.Fatalf("%v\n%s", err, b.said)
	}
	b.call(t, look.NewVerify, "--deep", b.dest)
	b.call(t, look.NewUnbundle, b.dest, b.image)
	loaded, err := chunk.Load(b.dest, "")
	if err != nil {
		t.Fatal(err)
	}
	defer loaded.Close()
	b.m = loaded.Manifest()
	return b
}

// run does what "bundle --disk" does.
func (m *machine) run(t *testing.T, dest string, flags ...string) (said string, err error) {
	t.Helper()
	cfg := create.NewFlags()
	cmd := &cobra.Command{}
	cfg.ContentFlags(cmd)
	cfg.ImageFlags(cmd)
	cmd.Flags().BoolVarP(&cfg.DryRun, "dry-run", "n", false, "")
	cmd.Flags().BoolVar(&cfg.JSON, "json", false, "")
	cfg.BaseFlags(cmd.Flags())
	if err := cmd.ParseFlags(append([]string{"--no-filter"}, flags...)); err != nil {
		t.Fatal(err)
	}
	opt, err := cfg.Options(m.root, dest)
	if err != nil {
		t.Fatal(err)
	}
	opt.CheckFor = m.check
	var out bytes.Buffer
	err = create.BundleDisk(t.Context(), cli.NewApp(nil, strings.NewReader(""), &out, &out), opt, m.Machine)
	return out.String(), err
}

// call runs a command and returns what it prints.
func (b *made) call(t *testing.T, command func(*cli.App) *cobra.Command, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := command(cli.NewApp(args, strings.NewReader(""), &out, &out))
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Errorf("%s %s: %v\n%s", cmd.Name(), strings.Join(args, " "), err, out.String())
	}
	return out.String()
}

func (b *made) partition(t *testing.T, number int) chunk.Partition {
	t.Helper()
	i := slices.IndexFunc(b.m.Disk.Partitions, func(p chunk.Partition) bool { return p.Number == number })
	if i < 0 {
		t.Fatalf("no partition %d", number)
	}
	return b.m.Disk.Partitions[i]
}

// mount has e2fsck judge the file systems of these partitions, and mounts them over one
// another as their paths say.
func (b *made) mount(t *testing.T, numbers ...int) string {
	t.Helper()
	top := t.TempDir()
	for i, n := range numbers {
		p := b.partition(t, n)
		loop := attach(t, b.image, p.Start, p.Size)
		imgtest.Fsck(t, loop)
		dir := top
		if i > 0 {
			dir = filepath.Join(top, string(p.Mount))
		}
		imgtest.Run(t, "mount", "-o", "ro", loop, dir)
		t.Cleanup(func() { imgtest.Unmount(t, dir) })
	}
	return top
}

// compare compares the machine's tree with what is mounted at dir, but for what was edited.
func (m *machine) compare(t *testing.T, b *made, dir string) {
	t.Helper()
	edited := map[string]imgtest.Scope{"/dev": imgtest.Self, "/etc/fstab.purebundle-old": imgtest.Ignore, "/boot/efi": imgtest.Ignore}
	if _, err := os.Lstat(m.root + "/boot/lost+found"); err != nil { // the image has one whatever the source is
		edited["/boot/lost+found"] = imgtest.Ignore
	}
	for _, e := range b.m.Edits {
		edited[string(e.Path)] = imgtest.Ignore
	}
	for _, e := range b.m.Excluded {
		edited[string(e.Path)] = imgtest.Self
	}
	imgtest.Compare(t, m.root, dir, imgtest.CompareOptions{Scope: func(path string) imgtest.Scope { return edited[path] }})
}

// ubuntu divides a disk as Ubuntu's cloud images have it, but for sizes; that of /boot is in MiB.
func ubuntu(t *testing.T, boot int) func(image string) {
	return func(image string) {
		imgtest.Run(t, "sgdisk", "-a", "1", "-n", "14:2048:+4M", "-t", "14:ef02", "-n", "15:10240:+20M", "-t", "15:ef00", "-c", "15:EFI",
			"-n", fmt.Sprintf("16:65536:+%dM", boot), "-t", "16:8300", "-c", "16:boot of mine", "-A", "16:set:2", "-n", "1:819200:0", "-t", "1:8304", image)
		imgtest.Patch(t, image, 0, []byte{0xeb, 0x63, 0x90})
		imgtest.Patch(t, image, 2048*512, bytes.Repeat([]byte("core.img"), 1000))
	}
}

// TestBootOfItsOwn bundles disks whose /boot is a partition of its own, which stays one, as
// an ext4 with the old names whatever it was.
func TestBootOfItsOwn(t *testing.T) {
	const rootID, bootID = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "2b4e28ba-2fa1-11d2-883f-0016d3cca427"
	for _, kind := range []string{"ext4", "ext2", "xfs"} {
		t.Run(kind, func(t *testing.T) {
			mkfs := []string{"mkfs." + kind, "-q", "-b", "4096", "-L", "BOOT", "-U", bootID}
			if kind == "xfs" {
				mkfs = []string{"mkfs.xfs", "-q", "-L", "BOOT", "-m", "uuid=" + bootID}
			}
			m := newMachine(t, 640*mib, ubuntu(t, 320),
				fs{1, "/", []string{"mkfs.ext4", "-q", "-b", "4096", "-L", "rootfs", "-U", rootID}}, fs{16, "/boot", mkfs}, fs{15, "", []string{"mkfs.vfat", "-n", "UEFI", "-i", "1234abcd"}})
			put(t, m.root, map[string]string{"srv/file": ""})
			imgtest.RandomTree(t, 1, filepath.Join(m.root, "srv"), imgtest.RandomOptions{Entries: 100, Plain: imgtest.NoOld})
			fstab := "UUID=" + rootID + " / ext4 defaults 0 1\nLABEL=BOOT /boot " + kind + " defaults 0 2\nLABEL=UEFI /boot/efi vfat umask=0077 0 1\n"
			put(t, m.root, map[string]string{
				"etc/fstab": fstab, "boot/vmlinuz-6.1": strings.Repeat("kernel", 1<<20), "boot/grub/grub.cfg": "linux /vmlinuz-6.1 root=/dev/vda1 ro\n", "boot/efi/hidden": "",
			})
			if err := errors.Join(os.Symlink("boot/vmlinuz-6.1", filepath.Join(m.root, "vmlinuz")), os.Symlink("../etc/fstab", filepath.Join(m.root, "boot/up"))); err != nil {
				t.Fatal(err)
			}
			for name, fill := range map[string]func(testing.TB, string){"types": imgtest.TortureTypes, "owners": imgtest.TortureOwners, "links": func(t testing.TB, dir string) { imgtest.TortureLinks(t, dir, 5) }} {
				put(t, m.root, map[string]string{"boot/" + name + "/file here": ""})
				fill(t, filepath.Join(m.root, "boot", name))
			}
			m.Disk.Partitions[slices.IndexFunc(m.Disk.Partitions, func(p survey.Partition) bool { return p.Number == 15 })].MountPoint = "/boot/efi"
			b := m.bundle(t)

			if out := imgtest.Run(t, "sgdisk", "-v", b.image); !strings.Contains(out, "No problems found") {
				t.Error(out)
			}
			imgtest.Run(t, "sfdisk", "--verify", b.image)
			boot, root := b.partition(t, 16), b.partition(t, 1)
			if boot.Size != 320*mib || boot.Start%mib != 0 || root.Start < boot.Start+boot.Size || boot.Mount != "/boot" || !boot.FS.Made || boot.FS.Source.Type != kind || boot.FS.UUID != bootID {
				t.Errorf("%+v, %+v; root %+v", boot, boot.FS, root)
			}
			for _, number := range []string{"1", "14", "15", "16"} {
				lines := func(image string) string {
					var kept []string
					for line := range strings.Lines(imgtest.Run(t, "sgdisk", "-i", number, image)) {
						if !strings.Contains(line, "sector") {
							kept = append(kept, line)
						}
					}
					return strings.Join(kept, "")
				}
				if have, want := lines(b.image), lines(m.image); have != want {
					t.Errorf("%s\nwant\n%s", have, want)
				}
			}
			top := b.mount(t, 1, 16)
			m.compare(t, b, top)
			imgtest.Rsync(t, filepath.Join(m.root, "srv"), filepath.Join(top, "srv"))
			if kind := imgtest.Run(t, "blkid", "-p", "-O", fmt.Sprint(boot.Start), "-S", fmt.Sprint(boot.Size), "-o", "export", "-s", "TYPE", "-s", "UUID", "-s", "LABEL", b.image); !strings.Contains(kind, "LABEL=BOOT\nUUID="+bootID+"\nTYPE=ext4\n") {
				t.Error(kind)
			}
			want := map[string]string{"/boot/grub/grub.cfg": "linux /vmlinuz-6.1 root=UUID=" + rootID + " ro\n", "/boot/up": "", "/etc/fstab": fstab}
			if kind != "ext4" {
				want["/etc/fstab"] = strings.Replace(fstab, "LABEL=BOOT /boot "+kind, "# purebundle: type ext4 instead of "+kind+"\nLABEL=BOOT /boot ext4", 1)
			}
			want["/boot/up"] = want["/etc/fstab"]
			for name, text := range want {
				if have := b.call(t, look.NewCat, b.dest, name); have != text {
					t.Errorf("%s is\n%s\ninstead of\n%s", name, have, text)
				}
				if name == "/boot/up" {
					continue
				}
				if have, err := os.ReadFile(filepath.Join(top, name)); err != nil || string(have) != text {
					t.Errorf("%s, %v:\n%s", name, err, have)
				}
			}
			if have := b.call(t, look.NewCat, b.dest, "/vmlinuz"); have != strings.Repeat("kernel", 1<<20) {
				t.Errorf("/vmlinuz has %d bytes", len(have))
			}
			if text, err := os.ReadDir(filepath.Join(b.mount(t, 1), "boot")); err != nil || len(text) > 0 {
				t.Errorf("under /boot: %v, %v", text, err)
			}
			for _, want := range []string{"16 (/boot)", "1 (root)", `/boot      ext4, 320 MiB, `, `label "BOOT", UUID ` + bootID} {
				if !strings.Contains(b.said, want) {
					t.Errorf("no %q in\n%s", want, b.said)
				}
			}
		})
	}
}

// small is a disk with a small /boot, which has files already.
func small(t *testing.T, boot int) *machine {
	t.Helper()
	m := newMachine(t, 500*mib, ubuntu(t, boot), fs{1, "/", []string{"mkfs.ext4", "-q", "-U", "1b4e28ba-2fa1-11d2-883f-0016d3cca427"}}, fs{15, "", []string{"mkfs.vfat"}},
		fs{16, "/boot", []string{"mkfs.ext2", "-q", "-b", "1024", "-U", "2b4e28ba-2fa1-11d2-883f-0016d3cca427"}})
	put(t, m.root, map[string]string{"etc/fstab": "/dev/vda1 / ext4 defaults 0 1\n/dev/vda16 /boot ext2 noatime,oldalloc 0 2\n", "boot/vmlinuz": strings.Repeat("kernel", 3<<20), "boot/grub/grub.cfg": "linux /vmlinuz root=/dev/vda1"})
	return m
}

// TestDiskTwice bundles one machine twice: with --uuid and --time the bytes are the same.
func TestDiskTwice(t *testing.T) {
	m := small(t, 40)
	flags := []string{"--uuid", "3b4e28ba-2fa1-11d2-883f-0016d3cca427", "--time", "2026-01-31T12:00:00Z"}
	first, second := m.bundle(t, flags...), m.bundle(t, flags...)
	if len(first.m.Parts) == 0 || !slices.Equal(first.m.Parts, second.m.Parts) {
		t.Errorf("parts differ:\n%v\n%v", first.m.Parts, second.m.Parts)
	}
	imgtest.Run(t, "cmp", first.image, second.image)
	if other := m.bundle(t, flags[2:]...); slices.Equal(first.m.Parts, other.m.Parts) {
		t.Error("another UUID, the same parts")
	}
}

// TestDiskBase bundles a machine again with the first bundle as the base: nothing is read,
// and what names the disk and its partitions stays; then a file more, and one more kernel.
func TestDiskBase(t *testing.T) {
	t.Parallel()
	m := small(t, 60)
	for i := range 4 {
		put(t, m.root, map[string]string{fmt.Sprint("srv/", i): strings.Repeat(fmt.Sprintln("data", i), 1<<20)})
	}
	time.Sleep(11 * time.Second) // until the files are such as a base may vouch for
	first := m.bundle(t, "--free", "50%")
	for n, c := range []struct {
		change func()
		read   int64 // parts that are read of files, at most: with those that are edited, others in their parts
		made   int   // parts, at most
	}{
		{func() {}, 2, 4},
		{func() { put(t, m.root, map[string]string{"etc/new": "new\n"}) }, 2, 5},
		{func() { put(t, m.root, map[string]string{"boot/vmlinuz-2": strings.Repeat("Kernel", 1<<20)}) }, 4, 7},
	} {
		c.change()
		b := m.bundle(t, "--free", "50%", "--base", first.dest, "--json")
		var s create.Summary
		if at := strings.Index(b.said, "{\n"); at < 0 || json.NewDecoder(strings.NewReader(b.said[at:])).Decode(&s) != nil {
			t.Fatal(b.said)
		}
		made := s.Parts - s.ZeroParts - s.KeptParts
		if s.Base == "" || s.BytesRead > c.read*chunk.Size || made > c.made || s.KeptParts == 0 {
			t.Errorf("%d: base %q, %d bytes read, %d parts kept, %d made: %s", n, s.Base, s.BytesRead, s.KeptParts, made, b.said)
		}
		if !reflect.DeepEqual(names(first.m.Disk), names(b.m.Disk)) {
			t.Errorf("%d: the disk was\n%+v, is\n%+v", n, first.m.Disk, b.m.Disk)
		}
		if verify := imgtest.Run(t, "sgdisk", "-v", b.image); !strings.Contains(verify, "No problems found") {
			t.Error(verify)
		}
		m.compare(t, b, b.mount(t, 1, 16))
		first = b
	}
}

// names returns what of a disk must not depend on what is in it.
func names(d *chunk.Disk) *chunk.Disk {
	n := &chunk.Disk{Table: d.Table, ID: d.ID}
	for _, p := range d.Partitions {
		if p.FS != nil {
			p.FS = &chunk.FileSystem{Type: p.FS.Type, UUID: p.FS.UUID, Label: p.FS.Label, Size: p.FS.Size}
		}
		n.Partitions = append(n.Partitions, p)
	}
	return n
}

// TestBootGrows bundles a machine whose /boot has no room for the journal of an ext4.
func TestBootGrows(t *testing.T) {
	m := small(t, 20)
	b := m.bundle(t)
	p := b.partition(t, 16)
	if p.Size <= 20*mib || p.FS.Size > p.Size || p.FS.FreeBlocks < 64*mib/4096 {
		t.Errorf("%+v, %+v", p, p.FS)
	}
	if want := "partition 16 is larger than on SOURCE, "; !strings.Contains(b.said, "100 MiB, 20 MiB on SOURCE, ") || !slices.ContainsFunc(b.m.Warnings, func(w chunk.Warning) bool { return w.Path == "/boot" && strings.HasPrefix(w.Text, want) }) {
		t.Errorf("no %q in\n%s%v", want, b.said, b.m.Warnings)
	}
	if out := imgtest.Run(t, "sgdisk", "-v", b.image); !strings.Contains(out, "No problems found") {
		t.Error(out)
	}
	m.compare(t, b, b.mount(t, 1, 16))
	const want = "# purebundle: UUID=1b4e28ba-2fa1-11d2-883f-0016d3cca427 instead of /dev/vda1\nUUID=1b4e28ba-2fa1-11d2-883f-0016d3cca427 / ext4 defaults 0 1\n" +
		"# purebundle: UUID=2b4e28ba-2fa1-11d2-883f-0016d3cca427 instead of /dev/vda16; type ext4 instead of ext2, without oldalloc\nUUID=2b4e28ba-2fa1-11d2-883f-0016d3cca427 /boot ext4 noatime 0 2\n"
	if have := b.call(t, look.NewCat, b.dest, "/etc/fstab"); have != want {
		t.Errorf("fstab is\n%s\ninstead of\n%s", have, want)
	}
	if said, err := m.run(t, t.TempDir(), "--size", fmt.Sprint(p.Start+p.Size)); err == nil || !strings.Contains(err.Error(), "--size") {
		t.Errorf("a disk without room for root: %v\n%s", err, said)
	}
}

// TestBootLeftOut bundles a machine with options that are about mounts: /boot is part of the
// disk, whatever is merged of others, and empty if it is excluded.
func TestBootLeftOut(t *testing.T) {
	m := small(t, 40)
	b := m.bundle(t, "-x")
	if have := b.call(t, look.NewCat, b.dest, "/boot/grub/grub.cfg"); !strings.HasPrefix(have, "linux /vmlinuz root=UUID=") {
		t.Errorf("grub.cfg is %q", have)
	}
	if list := b.call(t, look.NewLs, "-R", b.dest, "/"); !strings.Contains(list, "\n/boot/grub/grub.cfg\n") {
		t.Errorf("ls -R has\n%s", list)
	}
	b = m.bundle(t, "-e", "/boot", "--dry-run=false")
	top := b.mount(t, 16)
	if names, err := os.ReadDir(top); err != nil || len(names) != 1 {
		t.Errorf("an excluded /boot has %v, %v", names, err)
	}
	said, err := m.run(t, "", "--dry-run")
	for _, want := range []string{"16 (/boot)", "/boot          ext4, 40 MiB, ", "a file system of its own on the disk that is made"} {
		if err != nil || !strings.Contains(said, want) {
			t.Errorf("--dry-run, %v: no %q in\n%s", err, want, said)
		}
	}
}

// TestESPOnBoot bundles the machine of systemd-boot, whose EFI system partition is /boot, and
// one with a /boot for it that is another FAT: neither is an ext4.
func TestESPOnBoot(t *testing.T) {
	for name, code := range map[string]string{"ESP": "ef00", "XBOOTLDR": "ea00"} {
		t.Run(name, func(t *testing.T) {
			imgtest.NeedTool(t, "mcopy")
			divide := func(image string) {
				imgtest.Run(t, "sgdisk", "-a", "1", "-n", "2:2048:+40M", "-t", "2:"+code, "-n", "3:204800:0", "-t", "3:8304", image)
				dir := t.TempDir()
				loader := filepath.Join(dir, "loader.conf")
				put(t, dir, map[string]string{"loader.conf": "timeout 3\n", "loader/entries/a.conf": "title A\noptions root=/dev/vda3 ro\n"})
				imgtest.Run(t, "mkfs.vfat", "--offset", "2048", "-n", "BOOT", image, "40960")
				imgtest.Run(t, "mcopy", "-i", image+"@@1M", loader, "::loader.conf")
				imgtest.Run(t, "mcopy", "-s", "-i", image+"@@1M", filepath.Join(dir, "loader"), "::")
			}
			m := newMachine(t, 300*mib, divide, fs{3, "/", []string{"mkfs.ext4", "-q"}}, fs{2, "/boot", []string{"true"}})
			put(t, m.root, map[string]string{"etc/hostname": "x"})
			b := m.bundle(t)
			p := b.partition(t, 2)
			if p.FS == nil || p.FS.Made || p.FS.Type != "vfat" || p.Mount != "/boot" || p.Size != 40*mib || p.Start != mib {
				t.Errorf("%+v, %+v", p, p.FS)
			}
			if have := imgtest.Run(t, "mtype", "-i", b.image+"@@1M", "::loader.conf"); have != "timeout 3\n" {
				t.Errorf("loader.conf is %q", have)
			}
			entry, id := "loader/entries/a.conf", b.m.Image.UUID
			if have := imgtest.Run(t, "mtype", "-i", b.image+"@@1M", "::"+entry); have != "title A\noptions root=UUID="+id+" ro\n" {
				t.Errorf("entry is %q, root %s", have, id)
			}
			if !slices.ContainsFunc(b.m.Edits, func(e chunk.Edit) bool { return string(e.Path) == name+":/"+entry && e.Name == edit.UUID }) {
				t.Errorf("edits %+v", b.m.Edits)
			}
			imgtest.Run(t, "dd", "if="+b.image, "of="+b.image+".fat", "bs=1M", "skip=1", "count=40", "status=none")
			imgtest.Run(t, "fsck.vfat", "-n", b.image+".fat")
			m.compare(t, b, b.mount(t, 3))
		})
	}
}

// TestVerifyFAT bundles a FAT whose tables are not alike, as it is: "verify --deep" says so.
func TestVerifyFAT(t *testing.T) {
	m := newMachine(t, 300*mib, func(image string) {
		imgtest.Run(t, "sgdisk", "-a", "1", "-n", "2:2048:+40M", "-t", "2:ea00", "-n", "3:204800:0", "-t", "3:8304", image)
		imgtest.Run(t, "mkfs.vfat", "-F", "16", "--offset", "2048", image, "40960")
		boot := make([]byte, 24)
		f, _ := imgtest.OpenImage(t, image)
		if _, err := f.ReadAt(boot, mib); err != nil {
			t.Fatal(err)
		}
		second := (int64(binary.LittleEndian.Uint16(boot[14:])) + int64(binary.LittleEndian.Uint16(boot[22:]))) * 512
		imgtest.Patch(t, image, mib+second+100, []byte{7})
	}, fs{3, "/", []string{"mkfs.ext4", "-q"}}, fs{2, "/boot", []string{"true"}})
	put(t, m.root, map[string]string{"etc/hostname": "x"})
	dest := filepath.Join(t.TempDir(), "bundle")
	if said, err := m.run(t, dest); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	var out bytes.Buffer
	cmd := look.NewVerify(cli.NewApp(nil, nil, &out, &out))
	cmd.SetArgs([]string{"--deep", dest})
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(out.String(), "partition 2: FAT 2 is not as the first one") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
