package cli

import (
	"errors"
	"os"
	"strconv"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"purebundle/chunk/dir"
)

// TrustFlag adds the flag by which a directory is written to that others can change.
func TrustFlag(f *pflag.FlagSet, trusted *bool) {
	f.BoolVar(trusted, "trust-dest", false, "write to a directory even if others than you and root can change what is in it")
}

// trustHint says what to do about a directory that is not written to, if err is about one.
func trustHint(err error) string {
	var u *dir.UntrustedError
	if !errors.As(err, &u) {
		return ""
	}
	const trust = "; --trust-dest writes there all the same"
	link := u.Mode&unix.S_IFMT == unix.S_IFLNK
	switch sudo, _ := strconv.ParseUint(os.Getenv("SUDO_UID"), 10, 32); {
	case sudo != 0 && uint32(sudo) == u.Owner && os.Geteuid() == 0:
		return "it is yours, but this runs as root (sudo), and whatever runs as you could swap the files: choose a directory of root's, such as /var/lib/purebundle; one that is missing is made so" + trust
	case link:
		return "name the directory itself" + trust
	}
	return "choose a directory that only you can write to; one that is missing is made so" + trust
}
