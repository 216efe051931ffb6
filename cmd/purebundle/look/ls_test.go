package look

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/cmd/purebundle/cli"
	"purebundle/ext2img/extfs"
	"purebundle/ext2img/imgtest"
)

// TestLsEnds lists an ordinary user's image whose directories hold one another, twice over: it
// must end with few lines and say that the image is damaged.
func TestLsEnds(t *testing.T) {
	imgtest.NeedTool(t, "debugfs")
	image := filepath.Join(imgtest.UserDir(t), "image")
	imgtest.AsUser(t, func() {
		imgtest.Run(t, "mke2fs", "-q", "-t", "ext4", image, "4M")
		for _, request := range []string{"mkdir /a", "mkdir /a/b", "mkdir /plain", "ln /a /a/b/x", "ln /a /a/b/y", "ln /a/b /a/z"} {
			imgtest.Run(t, "debugfs", "-w", "-R", request, image)
		}
	})
	file, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fs, err := extfs.Open(file, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, want string }{{"/", "has another name"}, {"/plain", ""}, {"/lost+found", ""}} {
		var out bytes.Buffer
		l := &lister{fs: &inside{Tree: extfs.NewTree(fs)}, recursive: true, name: func(s string) string { return s }, end: "\n"}
		err := ls(cli.NewApp(nil, nil, &out, &out), c.path, l)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if (text == "") != (c.want == "") || !strings.Contains(text, c.want) {
			t.Errorf("%s: %q, want %q", c.path, text, c.want)
		}
		if n := strings.Count(out.String(), "\n"); n > 20 {
			t.Errorf("%s: %d lines", c.path, n)
		}
	}
}
