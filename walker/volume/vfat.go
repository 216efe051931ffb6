package volume

import (
	"fmt"
	"io"
	"strings"

	"purebundle/walker/fat"
)

// vfat finds a FAT by its boot sector, and its label in its root directory, since
// the one in the boot sector is often out of date.
func vfat(r io.ReaderAt, size int64, head []byte) (fs FileSystem, ok bool, err error) {
	f, ok := fat.Parse(head[:fat.HeadSize], r, size)
	if !ok {
		return fs, false, nil
	}
	at := 36 // BS_DrvNum
	if f.Bits == 32 {
		at = 64
	}
	const sigAt, serial, label, labelSize = 2, 3, 7, 11 // BS_BootSig, BS_VolID, BS_VolLab
	fs = FileSystem{Type: "vfat", FAT: f.Bits}
	if sig := head[at+sigAt]; sig == 0x28 || sig == 0x29 {
		id := le.Uint32(head[at+serial:])
		if id != 0 {
			fs.UUID = fmt.Sprintf("%04X-%04X", id>>16, id&0xffff)
		}
		if sig == 0x29 {
			fs.Label = strings.TrimRight(string(head[at+label:at+label+labelSize]), " ")
		}
	}
	if fs.Label == "NO NAME" {
		fs.Label = ""
	}
	found, err := f.Label()
	if err != nil {
		return fs, false, err
	}
	if found != "" {
		fs.Label = found
	}
	return fs, true, nil
}
