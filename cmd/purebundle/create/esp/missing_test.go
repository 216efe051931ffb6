package esp_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"purebundle/cmd/purebundle/create/esp"
	"purebundle/walker"
	"purebundle/walker/bootcheck"
	"purebundle/walker/fat"
)

var when = time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)

// volume makes an EFI system partition with these files, each of its own name.
func volume(t *testing.T, files ...string) *fat.Volume {
	t.Helper()
	v, err := fat.Format(fat.MinSize, 1, "ESP", when)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name, content, ok := strings.Cut(f, "=")
		if !ok {
			content = name
		}
		if err := v.WriteFile(name, []byte(content), when); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

// machine makes a tree with these files, each of its own name.
func machine(t *testing.T, config string, loaders ...bootcheck.Loader) esp.Machine {
	t.Helper()
	dir := t.TempDir()
	for _, l := range loaders {
		for _, name := range []string{l.Shim, l.Path, l.MokManager} {
			if name == "" {
				continue
			}
			file := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(name), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	plan, err := walker.NewPlan(dir, walker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	tree, err := plan.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	m := esp.Machine{View: tree.View(), Files: &bootcheck.Files{Arch: bootcheck.X64, Loaders: loaders, Distro: bootcheck.Distro{ID: "debian"}}}
	if config != "" {
		m.Config = []byte(config)
	}
	return m
}

var (
	signed = bootcheck.Loader{Kind: bootcheck.GRUB, Start: "/shim/shimx64.efi.signed", Shim: "/shim/shimx64.efi.signed", Path: "/grub/grubx64.efi.signed",
		MokManager: "/shim/mmx64.efi.signed", Signed: true, Prefix: "/EFI/debian"}
	mute    = bootcheck.Loader{Kind: bootcheck.GRUB, Start: "/grub/grubx64.efi", Path: "/grub/grubx64.efi"}
	systemd = bootcheck.Loader{Kind: bootcheck.SystemdBoot, Start: "/boot/systemd-bootx64.efi", Path: "/boot/systemd-bootx64.efi"}
)

// TestMissing has what a partition lacks, as "path < where its content is from".
func TestMissing(t *testing.T) {
	for name, c := range map[string]struct {
		has     []string
		config  string
		loaders []bootcheck.Loader
		want    string // sorted; "-": ErrNothing
	}{
		"all there":              {has: []string{"EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/grubx64.efi", "EFI/debian/shimx64.efi"}},
		"in lower case":          {has: []string{"efi/boot/bootx64.efi"}},
		"a vendor's":             {has: []string{"EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi", "EFI/debian/mmx64.efi", "EFI/debian/fbx64.efi"}, want: "EFI/BOOT/BOOTX64.EFI < EFI/debian/shimx64.efi, EFI/BOOT/grubx64.efi < EFI/debian/grubx64.efi, EFI/BOOT/mmx64.efi < EFI/debian/mmx64.efi"},
		"the own vendor's first": {has: []string{"EFI/amzn/shimx64.efi", "EFI/amzn/grubx64.efi", "EFI/debian/grubx64.efi"}, want: "EFI/BOOT/BOOTX64.EFI < EFI/debian/grubx64.efi"},
		"Windows":                {has: []string{"EFI/Microsoft/Boot/bootmgfw.efi"}, want: "-"},
		"systemd-boot":           {has: []string{"EFI/systemd/systemd-bootx64.efi"}, want: "EFI/BOOT/BOOTX64.EFI < EFI/systemd/systemd-bootx64.efi"},
		"nothing":                {want: "-"},
		"the tree's":             {config: "x", loaders: []bootcheck.Loader{mute, signed}, want: "EFI/BOOT/BOOTX64.EFI < /shim/shimx64.efi.signed, EFI/BOOT/grubx64.efi < /grub/grubx64.efi.signed, EFI/BOOT/mmx64.efi < /shim/mmx64.efi.signed, EFI/debian/grub.cfg < "},
		"the tree's, configured": {has: []string{"EFI/debian/grub.cfg"}, loaders: []bootcheck.Loader{signed}, want: "EFI/BOOT/BOOTX64.EFI < /shim/shimx64.efi.signed, EFI/BOOT/grubx64.efi < /grub/grubx64.efi.signed, EFI/BOOT/mmx64.efi < /shim/mmx64.efi.signed"},
		"no configuration":       {loaders: []bootcheck.Loader{signed}, want: "-"},
		"no directory":           {config: "x", loaders: []bootcheck.Loader{mute}, want: "-"},
		"the tree's systemd":     {has: []string{"loader/entries/a.conf"}, loaders: []bootcheck.Loader{systemd}, want: "EFI/BOOT/BOOTX64.EFI < /boot/systemd-bootx64.efi"},
		"systemd and no entry":   {loaders: []bootcheck.Loader{systemd}, want: "-"},
		"a shim alone": {has: []string{"EFI/BOOT/BOOTX64.EFI=shim", "EFI/debian/shimx64.efi=shim", "EFI/debian/grubx64.efi"},
			want: "EFI/BOOT/grubx64.efi < EFI/debian/grubx64.efi"},
		"the tree's shim alone": {has: []string{"EFI/BOOT/BOOTX64.EFI=/shim/shimx64.efi.signed", "EFI/debian/grub.cfg"}, loaders: []bootcheck.Loader{signed},
			want: "EFI/BOOT/grubx64.efi < /grub/grubx64.efi.signed, EFI/BOOT/mmx64.efi < /shim/mmx64.efi.signed"},
		"another program alone": {has: []string{"EFI/BOOT/BOOTX64.EFI=GRUB", "EFI/debian/shimx64.efi=shim", "EFI/debian/grubx64.efi"}},
		"fallback and no table": {has: []string{"EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/fbx64.efi", "EFI/debian/shimx64.efi", "EFI/debian/grubx64.efi"}, want: "EFI/debian/BOOTX64.CSV < "},
		"fallback and a table":  {has: []string{"EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/fbx64.efi", "EFI/debian/shimx64.efi", "EFI/debian/BOOTX64.CSV"}},
	} {
		v := volume(t, c.has...)
		m := machine(t, c.config, c.loaders...)
		files, err := esp.Missing(v, m)
		var got []string
		for _, f := range files {
			got = append(got, f.Path+" < "+f.From)
			content := make([]byte, f.Size)
			if _, err := f.Content.ReadAt(content, 0); err != nil && !errors.Is(err, io.EOF) || f.From != "" && string(content) != f.From {
				t.Errorf("%s: %s has the content %q, %v", name, f.Path, content, err)
			}
			if err := v.WriteFile(f.Path, content, when); err != nil {
				t.Fatal(err)
			}
		}
		esp.Close(files)
		text := strings.Join(got, ", ")
		if errors.Is(err, esp.ErrNothing) {
			text = "-"
		} else if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if text != c.want {
			t.Errorf("%s: %s\nwant %s", name, text, c.want)
		}
		if again, err := esp.Missing(v, m); c.want != "-" && (err != nil || len(again) > 0) {
			t.Errorf("%s: once completed it lacks %v, %v", name, again, err)
		}
	}
}

// TestTable has the text that shim's fallback reads.
func TestTable(t *testing.T) {
	files, err := esp.Missing(volume(t, "EFI/BOOT/BOOTX64.EFI", "EFI/BOOT/fbx64.efi", "EFI/debian/shimx64.efi"), machine(t, ""))
	if err != nil || len(files) != 1 {
		t.Fatalf("%+v, %v", files, err)
	}
	content := make([]byte, files[0].Size)
	if _, err := files[0].Content.ReadAt(content, 0); err != nil || !strings.HasPrefix(string(content), "\xff\xfes\x00h\x00i\x00m\x00x\x006\x004\x00.\x00e\x00f\x00i\x00,\x00d\x00") {
		t.Errorf("%q, %v", content, err)
	}
}

// TestGlob finds files by patterns.
func TestGlob(t *testing.T) {
	v := volume(t, "EFI/debian/grub.cfg", "EFI/ubuntu/GRUB.CFG", "EFI/BOOT/BOOTX64.EFI", "loader/entries/a.conf", "loader/entries/b.txt")
	for pattern, want := range map[string][]string{
		"EFI/*/grub.cfg":        {"EFI/debian/grub.cfg", "EFI/ubuntu/GRUB.CFG"},
		"loader/entries/*.conf": {"loader/entries/a.conf"},
		"EFI/*":                 nil,
		"none/*.conf":           nil,
	} {
		if got := esp.Glob(v, pattern); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}
