package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
)

// shells are the ways to start a shell without its user's files, with our
// completions loaded from the directory $C.
var shells = map[string]string{
	"bash": `bash --norc --noprofile -i`,
	"zsh":  `zsh -f -i`,
	"fish": `fish --no-config`,
}

// shellSetup is typed into the shell; it ends by printing "ready".
var shellSetup = map[string]string{
	"bash": `PS1='> '; . /usr/share/bash-completion/bash_completion; . $C/bash; clear; echo re''ady`,
	"zsh":  `PS1='> '; fpath=($C/zsh $fpath); autoload -U compinit; compinit -u -D; clear; echo re''ady`,
	"fish": `set -g fish_autosuggestion_enabled 0; function fish_prompt; echo '> '; end; source $C/fish; clear; echo re''ady`,
}

// The three shells, at a prompt, complete commands, flags and their values,
// bundles, and paths inside a bundle.
func TestShellsComplete(t *testing.T) {
	imgtest.RequireRoot(t)
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	makeFiles(t, dir, map[string]string{"tree/etc/hostname": "h", "tree/etc/hosts": "h", "tree/usr/one": "1", "c/zsh/": "", "empty/": ""})
	if err := os.Symlink(self, filepath.Join(dir, "c/purebundle")); err != nil {
		t.Fatal(err)
	}
	for shell, name := range map[string]string{"bash": "bash", "zsh": "zsh/_purebundle", "fish": "fish"} {
		_, script, _ := call("completion", shell)
		makeFiles(t, dir, map[string]string{"c/" + name: script})
	}
	if code, _, stderr := call("bundle", "-q", filepath.Join(dir, "tree"), filepath.Join(dir, "out")); code != 0 {
		t.Fatal(stderr)
	}
	for shell, start := range shells {
		t.Run(shell, func(t *testing.T) {
			imgtest.NeedTool(t, shell)
			if _, err := os.Stat("/usr/share/bash-completion/bash_completion"); err != nil && shell == "bash" {
				imgtest.Missing(t, "needs the package bash-completion")
			}
			s := newScreen(t, 100, 30, "env -C "+dir+" C="+dir+"/c HOME="+dir+"/empty PATH="+dir+"/c:$PATH TERM=screen "+start)
			s.tmux("send-keys", "-l", shellSetup[shell])
			s.tmux("send-keys", "Enter")
			s.waitLine("ready")
			for _, c := range []struct{ typed, want string }{
				{"purebundle ver", "purebundle verify"},
				{"purebundle bundle --exclude-f", "purebundle bundle --exclude-from"},
				{"purebundle bundle --progress js", "purebundle bundle --progress json"},
				{"purebundle verify o", "purebundle verify out/"},
				{"purebundle ls out /u", "purebundle ls out /usr/"},
				{"purebundle cat out /etc/hostn", "purebundle cat out /etc/hostname"},
				{"purebundle cat out /etc/ho", "purebundle cat out /etc/host"},
			} {
				s.tmux("send-keys", "-l", c.typed)
				s.tmux("send-keys", "Tab")
				s.waitLine("> " + c.want)
				s.tmux("send-keys", "C-c")
				s.tmux("send-keys", "-l", "clear; echo re''ady")
				s.tmux("send-keys", "Enter")
				s.waitLine("ready")
			}
		})
	}
}

// waitLine waits for a line that is want, but for spaces at its end.
func (s *screen) waitLine(want string) {
	s.t.Helper()
	s.wait("the line "+want, func(lines []string) bool {
		for _, line := range lines {
			if strings.TrimRight(line, " ") == want {
				return true
			}
		}
		return false
	})
}

// makeFiles makes files with their content, or directories if the name ends
// in a slash.
func makeFiles(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o755)
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o755)
		} else if err == nil {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
