package extfs

import "purebundle/ext2img/internal/ondisk"

// nameHash returns the hash of a name that a directory is ordered by; ok is
// false for an unknown version.
func (f *FS) nameHash(version uint8, name string) (hash uint32, ok bool) {
	sign := ondisk.Signed
	if f.sb.flags&ondisk.UnsignedHash != 0 {
		sign = ondisk.Unsigned
	}
	return ondisk.NameHash(version, name, f.sb.hashSeed, sign)
}
