package edit_test

import (
	"testing"

	"purebundle/walker/edit"
)

// TestNewLines has an fstab that gets its first lines.
func TestNewLines(t *testing.T) {
	f := edit.Facts{Source: edit.Volume{Type: "ext4"}, New: []string{"UUID=x / ext4 defaults 0 1", "UUID=y /boot/efi vfat nofail 0 1"}}
	const lines = "UUID=x / ext4 defaults 0 1\nUUID=y /boot/efi vfat nofail 0 1\n"
	for text, want := range map[string]string{
		"":                             lines,
		"# UNCONFIGURED\n":             "# UNCONFIGURED\n" + lines,
		"\n# no end":                   "\n# no end\n" + lines,
		"proc /proc proc defaults\n":   "proc /proc proc defaults\n",
		"# one\nUUID=x / ext4 ro\n#\n": "# one\nUUID=x / ext4 ro\n#\n",
	} {
		got, changes, err := f.Fstab([]byte(text))
		if err != nil || string(got) != want || len(changes) != 2*boolInt(text != want) {
			t.Errorf("%q: %q, %v, %v", text, got, changes, err)
		}
	}
	f.Without = []string{edit.FstabNew}
	if got, changes, err := f.Fstab(nil); len(got) > 0 || changes != nil || err != nil {
		t.Errorf("left out: %q, %v, %v", got, changes, err)
	}
	if f.Files()[0].Make {
		t.Error("an fstab is made although that is left out")
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestSearch has a root with another UUID, for which GRUB searches.
func TestSearch(t *testing.T) {
	const was, now = "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "9a93845b-f517-40d6-8cc3-bde11b2b0035"
	f := edit.Facts{Source: edit.Volume{Type: "ext4", UUID: was}, Root: edit.Volume{Type: "ext4", UUID: now}}
	for text, want := range map[string]string{
		"search.fs_uuid " + was + " root hd0,gpt1 \n":                                      "search.fs_uuid " + now + " root hd0,gpt1 \n",
		"  search --no-floppy --fs-uuid --set=root 1B4E28BA-2FA1-11D2-883F-0016D3CCA427\n": "  search --no-floppy --fs-uuid --set=root " + now + "\n",
		"search --fs-uuid --set=root '" + was + "';\n":                                     "search --fs-uuid --set=root '" + now + "';\n",
		"search --fs-uuid " + was + "x\n":                                                  "search --fs-uuid " + was + "x\n",
		"# search " + was + "\n":                                                           "# search " + was + "\n",
		"echo " + was + "\n":                                                               "echo " + was + "\n",
	} {
		if got, changes, err := f.Grub([]byte(text)); err != nil || string(got) != want || len(changes) != boolInt(text != want) {
			t.Errorf("%q: %q, %v, %v", text, got, changes, err)
		}
	}
}

// TestDevice has what is mounted where.
func TestDevice(t *testing.T) {
	const text = "# UUID=a / ext4\nUUID=1A2B-3C4D\t/boot/efi/ vfat umask=0077 0 1\nLABEL=with\\040blank / ext4 ro\n"
	for where, want := range map[string]string{"/": "LABEL=with blank", "/boot/efi": "UUID=1A2B-3C4D", "/home": ""} {
		if got := edit.Device([]byte(text), where); got != want {
			t.Errorf("%s: %q, want %q", where, got, want)
		}
	}
	if kind, value := edit.Tag("UUID=1A2B-3C4D"); kind != "UUID" || value != "1A2B-3C4D" {
		t.Errorf("%q, %q", kind, value)
	}
}
