package filter

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// Homes are the home directories of a root.
type Homes struct {
	top *homes
}

// homes is a directory that is a home or leads to one.
type homes struct {
	kids   map[string]*homes
	all    bool // every directory in it is a person's home
	home   bool
	person bool // the home of somebody who logs in
}

// maxPasswd bounds how many bytes of an etc/passwd count: some 15,000 accounts.
const maxPasswd = 1 << 20

// NewHomes returns the homes of a root: /root, all of /home, and those that its etc/passwd (passwd(5)) lists. real returns the path
// of a directory of the root, given one that may lead through symbolic links.
func NewHomes(passwd []byte, real func(string) string) *Homes {
	h := &Homes{top: new(homes)}
	h.top.at(real("/home")).all = true
	h.add(real("/root"), true)
	if len(passwd) > maxPasswd {
		passwd = passwd[:maxPasswd]
	}
	for line := range bytes.Lines(passwd) {
		field := strings.Split(strings.TrimRight(string(line), "\n"), ":") // name:password:UID:GID:comment:home:shell
		if len(field) < 6 || !isHome(field[5]) {
			continue
		}
		if dir := real(field[5]); isHome(dir) {
			h.add(dir, isPerson(field[2]))
		}
	}
	return h
}

// add makes dir a home.
func (h *Homes) add(dir string, person bool) {
	n := h.top.at(dir)
	n.home = true
	n.person = n.person || person
}

// isHome says whether a directory that passwd names is somebody's own: system accounts are given directories that hold the system.
func isHome(dir string) bool {
	if !strings.HasPrefix(dir, "/") {
		return false
	}
	names := strings.FieldsFunc(dir, func(r rune) bool { return r == '/' })
	if len(names) == 0 || slices.Contains(names, "..") || slices.Contains(names, ".") {
		return false
	}
	switch names[0] {
	case "bin", "sbin", "lib", "lib32", "lib64", "dev", "proc", "sys", "run", "tmp", "boot":
		return false
	case "usr":
		return len(names) > 2 && (names[1] == "home" || names[1] == "local" && len(names) > 3) // as people had them long ago
	case "etc", "var", "opt", "srv", "mnt", "media", "home":
		return len(names) > 1
	}
	return true
}

// isPerson says whether an account with this user ID logs in: root, and those that are given out to people (by some distributions
// from 500), but not nobody's.
func isPerson(uid string) bool {
	n, err := strconv.ParseUint(uid, 10, 32)
	return err == nil && (n == 0 || n >= 500 && n != 65534 && n != 65535)
}

// below returns what is known of the directory called name, nil if no home is there.
func (h *homes) below(name string) *homes {
	if kid := h.kids[name]; kid != nil || !h.all {
		return kid
	}
	return &homes{home: true, person: true}
}

// at returns the directory at a path, after making it and those that lead to it.
func (h *homes) at(path string) *homes {
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		kid := h.below(name)
		if kid == nil {
			kid = new(homes)
		}
		if h.kids == nil {
			h.kids = make(map[string]*homes)
		}
		h.kids[name] = kid
		h = kid
	}
	return h
}
