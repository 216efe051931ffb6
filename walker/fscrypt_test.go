package walker

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lockedTree makes an ext4 with an encrypted directory in it. lock takes the key away.
func lockedTree(t *testing.T, version byte) (dir string, lock func()) {
	t.Helper()
	dir = t.TempDir()
	loopMount(t, loopImage(t, 64<<20, "mke2fs", "-q", "-F", "-t", "ext4", "-O", "encrypt"), dir)
	secret := filepath.Join(dir, "secret")
	must(t, os.Mkdir(secret, 0o700))
	do := func(path string, request uintptr, arg unsafe.Pointer) {
		t.Helper()
		fd, err := unix.Open(path, unix.O_RDONLY, 0)
		must(t, err)
		defer unix.Close(fd)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg)); errno != 0 {
			t.Fatalf("%s: ioctl %#x: %v", path, request, errno)
		}
	}
	var add struct {
		unix.FscryptAddKeyArg
		raw [64]byte
	}
	add.Raw_size = uint32(len(add.raw))
	add.raw[0] = 1
	v1 := unix.FscryptPolicyV1{Contents_encryption_mode: unix.FSCRYPT_MODE_AES_256_XTS, Filenames_encryption_mode: unix.FSCRYPT_MODE_AES_256_CTS, Flags: unix.FSCRYPT_POLICY_FLAGS_PAD_32, Master_key_descriptor: [8]byte{7}}
	v2 := unix.FscryptPolicyV2{Version: 2, Contents_encryption_mode: v1.Contents_encryption_mode, Filenames_encryption_mode: v1.Filenames_encryption_mode, Flags: v1.Flags}
	policy := unsafe.Pointer(&v2)
	add.Key_spec.Type = unix.FSCRYPT_KEY_SPEC_TYPE_IDENTIFIER
	if version == unix.FSCRYPT_POLICY_V1 {
		policy, add.Key_spec.Type = unsafe.Pointer(&v1), unix.FSCRYPT_KEY_SPEC_TYPE_DESCRIPTOR
		copy(add.Key_spec.U[:], v1.Master_key_descriptor[:])
	}
	do(dir, unix.FS_IOC_ADD_ENCRYPTION_KEY, unsafe.Pointer(&add))
	copy(v2.Master_key_identifier[:], add.Key_spec.U[:])
	do(secret, unix.FS_IOC_SET_ENCRYPTION_POLICY, policy)
	makeTree(t, dir, "secret/letter=text", "secret/link -> letter", "secret/empty=", "secret/sub/deep=text", "plain/file=text")
	return dir, func() {
		unix.Sync()
		do(dir, unix.FS_IOC_REMOVE_ENCRYPTION_KEY, unsafe.Pointer(&unix.FscryptRemoveKeyArg{Key_spec: add.Key_spec}))
	}
}

// TestLocked walks an encrypted directory with its key and without: then nothing of it is to be had, and each of its names is told.
func TestLocked(t *testing.T) {
	needRoot(t)
	dir, lock := lockedTree(t, unix.FSCRYPT_POLICY_V2)
	res := walkAll(t, dir, Options{})
	if res.entries["/secret/sub/deep"] == nil || res.entries["/secret/link"].Target != "letter" || len(res.Unreadable) > 0 {
		t.Errorf("with the key: %q, unreadable %v", res.below("/secret"), res.Unreadable)
	}
	lock()
	names, err := os.ReadDir(filepath.Join(dir, "secret"))
	must(t, err)
	want := []string{"/secret"}
	for _, n := range names {
		want = append(want, "/secret/"+n.Name())
	}
	slices.Sort(want)
	if len(want) != 5 || slices.Contains(want, "/secret/letter") {
		t.Fatalf("not locked: %q", want)
	}
	res = walkAll(t, dir, Options{})
	var told []string
	for _, u := range res.Unreadable {
		told = append(told, u.Path)
		if !errors.Is(u.Err, errLocked) {
			t.Errorf("%s: %v", u.Path, u.Err)
		}
	}
	slices.Sort(told)
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if below := res.below("/secret"); len(below) > 0 || res.entries["/secret"] == nil || res.entries["/plain/file"] == nil {
		t.Errorf("below the locked directory: %q; of %q", below, res.order)
	}
}

// TestLockedOld locks a directory whose policy has version 1: the walk cannot know that nobody has the key, and warns.
func TestLockedOld(t *testing.T) {
	needRoot(t)
	dir, lock := lockedTree(t, unix.FSCRYPT_POLICY_V1)
	if res := walkAll(t, dir, Options{}); res.entries["/secret/sub/deep"] == nil || len(res.Warnings) > 0 {
		t.Errorf("with the key: %q, warnings %v", res.below("/secret"), res.Warnings)
	}
	lock()
	res := walkAll(t, dir, Options{})
	if len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0].Text, "version 1") || res.Warnings[0].Path != "/secret" {
		t.Errorf("warnings: %+v", res.Warnings)
	}
}
