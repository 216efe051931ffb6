package walker

import (
	"errors"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// errLocked says why nothing of an encrypted directory is in the image: without its key the kernel shows names and symlink targets as
// ciphers, which are no names of anything elsewhere, and opens no file (ENOKEY).
var errLocked = errors.New("encrypted, and its key is not there (fscrypt): unlock it first")

// lockedOldText is the warning for policies of version 1. Their keys may be in keyrings of processes, so that only the files tell.
const lockedOldText = "encrypted by an old policy (fscrypt, version 1) whose key the file system does not have: names are ciphers if nobody else has it"

// tellLocked returns true if the directory fd, whose stat is w.st, is encrypted and locked. It has then noted that, and each of its names.
func (w *walker) tellLocked(fd int) bool {
	if w.st.Attributes&unix.STATX_ATTR_ENCRYPTED == 0 {
		return false
	}
	version, absent := encryptionKey(fd)
	if !absent {
		return false
	}
	if version == unix.FSCRYPT_POLICY_V1 {
		w.warn(w.entry.Path, lockedOldText)
		return false
	}
	w.unreadable(w.entry.Path, int64(w.entry.UID), errLocked)
	var ciphers names
	if err := ciphers.read(fd, make([]byte, 64<<10), maxNames); err != nil {
		w.unreadable(w.entry.Path, int64(w.entry.UID), err)
	}
	ciphers.sort()
	for _, n := range ciphers.list {
		w.unreadable(strings.TrimSuffix(w.entry.Path, "/")+"/"+string(ciphers.text[n.off:n.end]), noOwner, errLocked)
	}
	return true
}

// encryptionKey returns the version of the policy of an encrypted directory, and true if its file system says that it does not have the
// key, or has given it up (Documentation/filesystems/fscrypt.rst). Before Linux 5.4 it says nothing.
func encryptionKey(fd int) (version byte, absent bool) {
	policy := unix.FscryptGetPolicyExArg{}
	policy.Size = uint64(len(policy.Policy))
	if !fscrypt(fd, unix.FS_IOC_GET_ENCRYPTION_POLICY_EX, unsafe.Pointer(&policy)) {
		return 0, false
	}
	var key unix.FscryptGetKeyStatusArg
	version = policy.Policy[0]
	switch version {
	case unix.FSCRYPT_POLICY_V1:
		key.Key_spec.Type = unix.FSCRYPT_KEY_SPEC_TYPE_DESCRIPTOR
		copy(key.Key_spec.U[:], policy.Policy[4:12]) // master_key_descriptor
	case unix.FSCRYPT_POLICY_V2:
		key.Key_spec.Type = unix.FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER
		copy(key.Key_spec.U[:], policy.Policy[8:24]) // master_key_identifier
	}
	if !fscrypt(fd, unix.FS_IOC_GET_ENCRYPTION_KEY_STATUS, unsafe.Pointer(&key)) {
		return version, false
	}
	return version, key.Status != unix.FSCRYPT_KEY_STATUS_PRESENT
}

// fscrypt makes an ioctl and returns true if it succeeded.
func fscrypt(fd int, request uintptr, arg unsafe.Pointer) bool {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
	return errno == 0
}
