package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
)

// debianMirror gives the mirror that the machine's own apt fetches Debian from,
// and the release that the machine runs. It needs no downloaded lists.
func debianMirror(t *testing.T) (mirror, suite string) {
	t.Helper()
	release, err := os.ReadFile("/etc/os-release")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`(?m)^VERSION_CODENAME="?([a-z]+)"?$`).FindSubmatch(release)
	if name == nil || !regexp.MustCompile(`(?m)^ID="?debian"?$`).Match(release) {
		t.Fatal("the machine's release is not one of Debian: its apt sources have no tree for this test")
	}
	suite = string(name[1])
	indexes := imgtest.Run(t, "apt-get", "--print-uris", "-o", "Dir::State::lists="+t.TempDir(), "update")
	var mirrors []string
	for _, m := range regexp.MustCompile(`(?m)^'(.+)/dists/`+suite+`/InRelease'`).FindAllStringSubmatch(indexes, -1) {
		// Other archives have a suite of that name too, but no updates for it.
		if strings.Contains(indexes, "'"+m[1]+"/dists/"+suite+"-updates/InRelease'") {
			return m[1], suite
		}
		mirrors = append(mirrors, m[1])
	}
	if len(mirrors) == 0 {
		t.Fatalf("the machine's apt sources have no suite %s", suite)
	}
	return mirrors[0], suite
}
