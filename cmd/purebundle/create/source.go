package create

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"purebundle/chunk"
	"purebundle/cmd/purebundle/cli"
)

// CheckSource says early and in one sentence what is wrong with the SOURCE of a command.
func CheckSource(command, source string) error {
	info, err := os.Stat(source)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return cli.WithHint(fmt.Errorf("%s %s: %w", command, source, errors.Unwrap(err)), "SOURCE is the root of the tree to bundle; is it mounted?")
	case err != nil:
		return fmt.Errorf("%s %s: %w", command, source, errors.Unwrap(err))
	case !info.IsDir():
		return cli.WithHint(fmt.Errorf("%s %s: not a directory", command, source), "SOURCE is the root of the tree to bundle")
	}
	dir, err := os.Open(source)
	if err != nil {
		return cli.WithHint(fmt.Errorf("%s %s: %w", command, source, errors.Unwrap(err)), "run it as root (sudo) to read all of SOURCE")
	}
	return dir.Close()
}

// CheckDest refuses a DEST whose contents would be all of SOURCE: the output
// directory is left out of the image.
func CheckDest(source, dest string) error {
	s, err1 := os.Stat(source)
	d, err2 := os.Stat(dest)
	if err1 == nil && err2 == nil && os.SameFile(s, d) {
		return cli.WithHint(cli.Usagef("bundle %s: DEST is SOURCE", dest),
			"give a DEST of its own; it may be inside SOURCE, as in: purebundle bundle %s %s", source, filepath.Join(source, "bundle"))
	}
	return nil
}

// strangerInDest returns the name of something in DEST that belongs to no bundle, if
// DEST lies inside SOURCE: the output directory is left out with all that it holds,
// which should not come as a surprise. It returns "" if there is no such thing.
func strangerInDest(source, dest string) string {
	if dest == "" || !liesIn(source, dest) {
		return ""
	}
	dir, err := os.Open(dest)
	if err != nil {
		return ""
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // a warning is no reason to fail
	for _, name := range names {
		known := strings.HasPrefix(name, ".") || name == "lost+found" || strings.Contains(name, ".part.")
		for _, suffix := range []string{chunk.SumsName(""), chunk.ManifestName("")} {
			known = known || strings.HasSuffix(name, suffix)
		}
		if !known {
			return name
		}
	}
	return ""
}

// liesIn says whether path lies below dir, symlinks resolved.
func liesIn(dir, path string) bool {
	dir, err1 := filepath.EvalSymlinks(cli.Absolute(dir))
	path, err2 := filepath.EvalSymlinks(cli.Absolute(path))
	rel, err3 := filepath.Rel(dir, path)
	return err1 == nil && err2 == nil && err3 == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
