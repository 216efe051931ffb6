package edit

import (
	"bytes"
	"errors"
	"slices"
	"strings"
)

// Grub edits a grub.cfg: the command lines in it, the paths of files on a btrfs, and the
// UUID by which root is searched for.
func (f *Facts) Grub(text []byte) ([]byte, []Change, error) {
	return f.perLine(text, func(line string, done *changes) string {
		return f.paths(f.words(f.search(line, done), done), done)
	})
}

// search edits the UUID of root in a command search, search.fs_uuid or the like.
func (f *Facts) search(line string, done *changes) string {
	was, now := f.Source.UUID, f.Root.UUID
	if was == "" || now == "" || strings.EqualFold(was, now) || !strings.Contains(line, "search") || !f.Makes(UUID) {
		return line
	}
	var out strings.Builder
	last := 0
	for i := 0; i+len(was) <= len(line); i++ {
		end := i + len(was)
		if !strings.EqualFold(line[i:end], was) || i > 0 && !startsWord(line[i-1]) || end < len(line) && strings.IndexByte(" \t\r\n\"';", line[end]) < 0 {
			continue
		}
		done.add(UUID, "searches for "+now+" instead of "+was)
		out.WriteString(line[last:i] + now)
		last, i = end, end-1
	}
	out.WriteString(line[last:])
	return out.String()
}

// Entry edits an entry of the Boot Loader Specification.
func (f *Facts) Entry(text []byte) ([]byte, []Change, error) {
	return f.perLine(text, func(line string, done *changes) string {
		switch key, _, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " "); key {
		case "options":
			return f.words(line, done)
		case "linux", "initrd", "devicetree", "efi":
			return f.paths(line, done)
		}
		return line
	})
}

// GrubDefaults edits what grub-mkconfig takes for the next grub.cfg: the values of
// GRUB_CMDLINE_LINUX and its kin, which may go on over several lines.
func (f *Facts) GrubDefaults(text []byte) ([]byte, []Change, error) {
	quoted, continued := false, false
	return f.perLine(text, func(line string, done *changes) string {
		name := strings.TrimPrefix(strings.TrimLeft(line, " \t"), "export ")
		if !quoted && !continued && !strings.HasPrefix(name, "GRUB_CMDLINE_LINUX") {
			return line
		}
		quoted = quoted != (strings.Count(line, `"`)%2 == 1)
		continued = strings.HasSuffix(strings.TrimRight(line, "\r\n"), `\`)
		return f.words(line, done)
	})
}

// perLine edits each line that is no comment.
func (f *Facts) perLine(text []byte, edit func(line string, done *changes) string) ([]byte, []Change, error) {
	var done changes
	var out strings.Builder
	for line := range bytes.Lines(text) {
		if s := string(line); strings.HasPrefix(strings.TrimLeft(s, " \t"), "#") {
			out.WriteString(s)
		} else {
			out.WriteString(edit(s, &done))
		}
	}
	return done.of(text, out.String())
}

// paths replaces the paths that a boot loader has for what moved.
func (f *Facts) paths(line string, done *changes) string {
	if !f.Makes(GrubPaths) || len(f.Moved) == 0 {
		return line
	}
	moved := slices.SortedFunc(slices.Values(f.Moved), func(a, b Moved) int { return len(b.From) - len(a.From) })
	var out strings.Builder
	last := 0
	for i := 0; i < len(line); i++ {
		if line[i] != '/' || i > 0 && !startsWord(line[i-1]) && line[i-1] != ')' {
			continue
		}
		for _, m := range moved {
			rest, ok := strings.CutPrefix(line[i:], m.From+"/")
			if !ok || m.From == "" || m.From == "/" {
				continue
			}
			done.add(GrubPaths, m.To+"/… instead of "+m.From+"/…")
			out.WriteString(line[last:i] + m.To + "/")
			last = len(line) - len(rest)
			i = last - 1
			break
		}
	}
	out.WriteString(line[last:])
	return out.String()
}

// The environment block of GRUB, the file grubenv: a first line, then lines NAME=VALUE,
// then "#" up to its size, which GRUB cannot change.
const (
	envSize      = 1024 // bytes
	envSignature = "# GRUB Environment Block\n"
)

var (
	errEnv     = errors.New("no environment block of GRUB, which is 1,024 bytes long")
	errEnvFull = errors.New("the environment block of GRUB has no room for it")
)

// GrubEnvironment edits the kernelopts in an environment block of GRUB.
func (f *Facts) GrubEnvironment(text []byte) ([]byte, []Change, error) {
	body, ok := strings.CutPrefix(string(text), envSignature)
	if !ok || len(text) != envSize {
		return text, nil, errEnv
	}
	var done changes
	var out strings.Builder
	out.WriteString(envSignature)
	for line := range strings.Lines(body) {
		switch {
		case strings.HasPrefix(line, "kernelopts="):
			line = f.words(line, &done)
		case strings.Trim(line, "#") == "": // the padding
			line = ""
		}
		out.WriteString(line)
	}
	if out.Len() > envSize {
		return text, nil, errEnvFull
	}
	return done.of(text, out.String()+strings.Repeat("#", envSize-out.Len()))
}
