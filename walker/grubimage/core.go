package grubimage

import (
	"bytes"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// sector is the size of diskboot.img, the first sector of core.img, in bytes.
const sector = 512

// Fields of lzma_decompress.img, which lies behind the first sector: offsets of
// include/grub/offsets.h, each of 4 bytes.
const (
	compressedSize   = 0x08 // GRUB_DECOMPRESSOR_I386_PC_COMPRESSED_SIZE
	uncompressedSize = 0x0c // GRUB_DECOMPRESSOR_I386_PC_UNCOMPRESSED_SIZE
	decompressorHead = 0x20

	// maxDecompressor is the most that lzma_decompress.img has: GRUB_DECOMPRESSOR_I386_PC_MAX_DECOMPRESSOR_SIZE.
	maxDecompressor = 9 << 10
	// maxKernel bounds what is decompressed, in bytes: GRUB has some 500 KiB of room.
	maxKernel = 1 << 20
	// maxUnpacked bounds what is decompressed in vain before, in bytes.
	maxUnpacked = 32 << 20
)

// Core reads a core.img that b begins with. What it decompresses begins with kernel.img;
// the modules follow.
//
// Nothing says how long the decompressor in front is: its end is a multiple of 16 bytes,
// and of the ends that are possible the right one gives modules.
func Core(b []byte) (*Image, error) {
	if len(b) < sector+decompressorHead {
		return nil, ErrNone
	}
	b = b[sector:]
	packed, size := int64(le.Uint32(b[compressedSize:])), int64(le.Uint32(b[uncompressedSize:]))
	if packed < 16 || size < packed/2 || size > maxKernel {
		return nil, ErrNone
	}
	unpacked := int64(0)
	for at := int64(decompressorHead); at <= maxDecompressor && at+packed <= int64(len(b)) && unpacked < maxUnpacked; at += 16 {
		if b[at] != 0 { // with which what LZMA makes begins
			continue
		}
		unpacked += size
		kernel := unpack(b[at:at+packed], size)
		for i := bytes.Index(kernel, magic); i >= 0; {
			if image, err := objects(kernel[i:], false); err == nil && len(image.Modules) > 0 {
				return image, nil
			}
			next := bytes.Index(kernel[i+1:], magic)
			if next < 0 {
				break
			}
			i += 1 + next
		}
	}
	return nil, ErrNone
}

// unpack returns size bytes of raw LZMA as grub-mkimage makes it, or nil.
func unpack(b []byte, size int64) []byte {
	// lc 3, lp 0, pb 2; a dictionary of 64 KiB; the size: the header that GRUB leaves out.
	head := append([]byte{0x5d, 0, 0, 1, 0}, le.AppendUint64(nil, uint64(size))...)
	r, err := lzma.ReaderConfig{DictCap: 1 << 16}.NewReader(io.MultiReader(bytes.NewReader(head), bytes.NewReader(b)))
	if err != nil {
		return nil
	}
	out := make([]byte, size)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil
	}
	return out
}
