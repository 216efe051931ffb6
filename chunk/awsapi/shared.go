package awsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"purebundle/chunk"
)

// shared is the files that the SDK is to read, by their paths. Its own choice
// would be made by the paths alone, and what a shared file says is believed: with
// credential_process it even names a program to run.
type shared struct {
	config, credentials []string
}

// sharedFiles finds the files of the environment or, without one, of the home
// directory. A file that is not there is left out: whoever makes it later is not
// asked about. One that somebody else may write is an error, and so is such a file
// of certificates in AWS_CA_BUNDLE.
func sharedFiles() (s shared, err error) {
	if s.config, err = believed("AWS_CONFIG_FILE", config.DefaultSharedConfigFilename()); err != nil {
		return s, err
	}
	if s.credentials, err = believed("AWS_SHARED_CREDENTIALS_FILE", config.DefaultSharedCredentialsFilename()); err != nil {
		return s, err
	}
	_, err = believed("AWS_CA_BUNDLE", "")
	return s, err
}

// believed returns the file that the variable name, or else usual, names: in a
// list, which is empty (and not nil, which the SDK takes for its own choice) if
// there is no such file.
func believed(name, usual string) ([]string, error) {
	path := os.Getenv(name)
	if path == "" {
		path = usual
	}
	if path == "" {
		return []string{}, nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, &chunk.Error{Op: "read", Path: path, Err: err}
	}
	why, err := stranger(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return []string{}, nil
	case errors.Is(err, fs.ErrPermission):
		return []string{path}, nil // the SDK cannot read it either
	case err != nil:
		return nil, &chunk.Error{Op: "read", Path: path, Err: err}
	case why != "":
		return nil, &chunk.Error{Op: "read", Path: path, Err: errors.New(why + ", and what it says is done as " + me()), Hint: hintShared}
	}
	return []string{path}, nil
}

const hintShared = "let the file and the directories above it be root's or your own and writable for nobody else (chown, chmod go-w), " +
	"or name another with AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE or HOME (sudo -H sets root's)"

// me returns who runs this, for messages.
func me() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return fmt.Sprintf("uid %d", os.Geteuid())
}

// stranger says, as a clause, through what somebody else could change the file at
// path: the file itself, a symbolic link on the way, or a directory above any of
// them. It is "" if nobody could: all of them are root's or our own, and others may
// not write. In a directory with the sticky bit others may, because they cannot
// replace what is not theirs.
func stranger(path string) (string, error) {
	for links := 0; ; links++ {
		if links > maxLinks {
			return "", syscall.ELOOP
		}
		next, why, err := firstLink(path)
		if err != nil || why != "" || next == "" {
			return why, err
		}
		path = next
	}
}

// maxLinks is how many symbolic links the kernel follows (MAXSYMLINKS).
const maxLinks = 40

// firstLink looks at the directories of path from the top, and at path. At the
// first symbolic link it stops and returns where that leads.
func firstLink(path string) (next, why string, err error) {
	names := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	at := "/"
	for i := 0; ; i++ {
		info, err := os.Lstat(at)
		if err != nil {
			return "", "", err
		}
		if why := othersWrite(info); why != "" {
			if i < len(names) {
				return "", fmt.Sprintf("lies in %s, which %s", at, why), nil
			}
			return "", why, nil
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(at)
			if err != nil {
				return "", "", err
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(at), target)
			}
			return filepath.Join(append([]string{target}, names[i:]...)...), "", nil
		}
		if i == len(names) {
			return "", "", nil
		}
		at = filepath.Join(at, names[i])
	}
}

// othersWrite says, as a clause, why what info is about is not ours alone. The
// group may write if it is root's, or that of an ordinary user: distributions give
// each user a group of his own, and umask 002 with it.
func othersWrite(info fs.FileInfo) string {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "has no owner"
	}
	euid, egid := os.Geteuid(), os.Getegid()
	mode := info.Mode()
	switch {
	case st.Uid != 0 && int(st.Uid) != euid:
		return fmt.Sprintf("belongs to another user (uid %d)", st.Uid)
	case mode&fs.ModeSymlink != 0, mode.IsDir() && mode&fs.ModeSticky != 0:
		return ""
	case mode&0o002 != 0:
		return "can be written by anybody"
	case mode&0o020 != 0 && st.Gid != 0 && (euid == 0 || int(st.Gid) != egid):
		return fmt.Sprintf("can be written by its group (gid %d)", st.Gid)
	}
	return ""
}

// CredentialFiles returns the shared files that keys may be in and that are there.
func CredentialFiles() []string {
	s, err := sharedFiles()
	if err != nil {
		return nil // Load says it
	}
	return s.credentials
}

// Exposed returns those of the key files that others than their owner may read.
func Exposed(paths []string) []string {
	var open []string
	for _, p := range paths {
		info, err := os.Stat(p)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o044 != 0 {
			open = append(open, p)
		}
	}
	return open
}

// Alone returns true if the credentials of a profile, "" for that of the
// environment, come without this process running a program or writing a file:
// neither does credential_process, nor are tokens renewed (SSO, aws login). It asks
// nobody. Where it is not certain, it returns false.
func Alone(ctx context.Context, profile string) bool {
	files, err := sharedFiles()
	if err != nil {
		return false
	}
	if profile == "" {
		if os.Getenv("AWS_ACCESS_KEY_ID") != "" && os.Getenv("AWS_SECRET_ACCESS_KEY") != "" {
			return true // the SDK looks there first
		}
		profile = cmp.Or(os.Getenv("AWS_PROFILE"), os.Getenv("AWS_DEFAULT_PROFILE"), config.DefaultSharedConfigProfile)
	}
	c, err := config.LoadSharedConfigProfile(ctx, profile, func(o *config.LoadSharedConfigOptions) {
		o.ConfigFiles, o.CredentialsFiles, o.Logger = files.config, files.credentials, logging.Nop{}
	})
	if none := (config.SharedConfigProfileNotExistError{}); errors.As(err, &none) {
		return profile == config.DefaultSharedConfigProfile // without files: the instance's role, or none
	}
	if err != nil {
		return false
	}
	for p := &c; p != nil; p = p.Source {
		if p.CredentialProcess != "" || p.SSOSession != nil || p.SSOSessionName != "" || p.SSOStartURL != "" || p.LoginSession != "" {
			return false
		}
	}
	return true
}
