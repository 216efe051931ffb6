package create

import (
	"slices"
	"strings"
	"testing"

	"purebundle/walker"
	"purebundle/walker/edit"
	"purebundle/walker/survey"
	"purebundle/walker/volume"
)

func TestSwapFiles(t *testing.T) {
	const swaps = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" +
		"/dev/sda3                               partition\t1\t0\t-2\n/swapfile file\t1\t0\t-3\n/srv/tree/my\\040swap file\t1\t0\t-4\n/srv/trees/x file 1 0 -5\n"
	for source, want := range map[string]string{"/": "/swapfile,/srv/tree/my swap,/srv/trees/x", "/srv/tree": "/my swap", "/else": ""} {
		if have := strings.Join(swapFiles(swaps, source), ","); have != want {
			t.Errorf("%s: %q instead of %q", source, have, want)
		}
	}
}

// TestMoved tells where boot loaders find what was in subvolumes.
func TestMoved(t *testing.T) {
	root := walker.Mount{Path: "/", FSType: "btrfs", Source: "/dev/sda2", Root: "/@", Action: walker.Crossed}
	srv := walker.Mount{Path: "/srv", FSType: "btrfs", Source: "/dev/sda2", Root: "/@srv", Action: walker.Crossed}
	top, out := srv, srv
	top.Root, out.Action = "/", walker.LeftOut
	both := []edit.Moved{{From: "/@", To: ""}, {From: "/@srv", To: "/srv"}}
	for name, c := range map[string]struct {
		mounts []walker.Mount
		want   []edit.Moved
		disk   *Disk
	}{
		"a /boot that is a subvolume": {[]walker.Mount{root, srv, {Path: "/boot", FSType: "btrfs", Source: "/dev/sda1", Root: "/@boot", Action: walker.Crossed}}, []edit.Moved{{From: "/@boot"}},
			&Disk{volumes: []*bootVolume{{old: survey.Partition{MountPoint: "/boot"}}}}},
		"subvolumes":      {[]walker.Mount{root, srv}, both, nil},
		"the whole":       {[]walker.Mount{root, top}, both[:1], nil},
		"left out":        {[]walker.Mount{root, out}, both[:1], nil},
		"another disk":    {[]walker.Mount{root, {Path: "/data", FSType: "btrfs", Source: "/dev/sdb", Root: "/@data", Action: walker.Crossed}}, both[:1], nil},
		"a /boot":         {[]walker.Mount{root, srv, {Path: "/boot", FSType: "ext4", Source: "/dev/sda1", Root: "/", Action: walker.Crossed}}, nil, nil},
		"no btrfs at all": {[]walker.Mount{{Path: "/", FSType: "xfs", Root: "/sub"}}, nil, nil},
	} {
		if have := c.disk.moved(c.mounts); !slices.Equal(have, c.want) {
			t.Errorf("%s: %v", name, have)
		}
	}
}

// TestInOrder sorts paths as the walk does: names by their bytes, and what is below a
// directory directly behind it.
func TestInOrder(t *testing.T) {
	walk := []string{"/etc", "/etc/fstab", "/etc/fstab.d", "/etc/fstab.d/x", "/etc/fstab.purebundle-old", "/etc/fstab~", "/etc-", "/etc-/x", "/etc0"}
	shuffled := slices.Clone(walk)
	slices.Sort(shuffled)
	if slices.Equal(shuffled, walk) {
		t.Fatal("sorted as text, they are in order")
	}
	if slices.SortFunc(shuffled, inOrder); !slices.Equal(shuffled, walk) {
		t.Errorf("%q", shuffled)
	}
}

// TestGrubStub has GRUB in the EFI system partition look for its configuration where it is:
// in root, or in a /boot of its own that is made. One that is copied nobody knows.
func TestGrubStub(t *testing.T) {
	root := [16]byte{1}
	old := survey.Partition{MountPoint: "/boot", FileSystem: &volume.FileSystem{UUID: "2b4e28ba-2fa1-11d2-883f-0016d3cca427"}}
	for want, d := range map[string]*Disk{
		"search.fs_uuid 01000000-0000-0000-0000-000000000000 root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n": {old: &survey.Disk{Boot: -1}},
		"search.fs_uuid 2b4e28ba-2fa1-11d2-883f-0016d3cca427 root\nset prefix=($root)/grub\nconfigfile $prefix/grub.cfg\n":      {old: &survey.Disk{}, volumes: []*bootVolume{{old: old}}},
		"": {old: &survey.Disk{}},
	} {
		if have := string(d.grubStub(root, "/boot/grub")); have != want {
			t.Errorf("%q instead of %q", have, want)
		}
	}
}
