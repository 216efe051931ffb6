package bootcheck

import (
	"strings"
	"testing"

	"purebundle/walker"
)

// FuzzTexts reads anything as the texts that a tree has, without a panic or a citation that
// is longer than a line.
func FuzzTexts(f *testing.F) {
	for _, text := range []string{
		"network:\n  ethernets:\n    ens3:\n      match: {macaddress: x}\n    enp1s0: {}\n", "auto eth0\niface eth0 inet dhcp\n", "[Match]\nName=ens3\n",
		"menuentry {\n linux /x root=/dev/sda1\n initrd /y (hd0)/z\n}\n", "UUID=x / xfs\n", "root=/dev/sda1 rootflags=subvol=@,x rootfstype=xfs", "6.1.0-18-amd64",
	} {
		f.Add(text, text)
	}
	p, err := walker.NewPlan(f.TempDir(), walker.Options{})
	if err != nil {
		f.Fatal(err)
	}
	tree, err := p.Open()
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { tree.Close() })
	v := tree.View()
	f.Fuzz(func(t *testing.T, a, b string) {
		c := &check{View: v, files: &Files{Arch: X64}}
		for _, read := range []func(string) binding{c.netplan, ifcfg, networkd, link, keyfile, ifupdown} {
			c.bound("/etc/x", read(a))
		}
		c.entries = append(c.menu("/boot/grub/grub.cfg", a), entry{from: "/x", options: b})
		c.entries[0].options = b
		c.commandLine()
		c.absent(a)
		assignments(a)
		kernelOptions(a, nil)
		if x, y := Compare(a, b), Compare(b, a); x > 0 && y > 0 || x < 0 && y < 0 || Compare(a, a) != 0 {
			t.Errorf("%q and %q: %d, %d", a, b, x, y)
		}
		for _, f := range c.Findings {
			if strings.Contains(f.Cure, "sed ") && strings.ContainsAny(strings.ReplaceAll(f.Cure, "GRUB_CMDLINE_LINUX", ""), "`;") {
				t.Errorf("a command of the tree's: %+v", f)
			}
			if f.What == "" || f.Why == "" || len(f.What) > 4*200 || strings.TrimSpace(f.ID) == "" {
				t.Errorf("%+v", f)
			}
		}
	})
}
