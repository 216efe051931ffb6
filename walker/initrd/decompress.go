package initrd

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"
)

// Bounds of what decompressors ask for, in bytes.
const (
	maxWindow     = 128 << 20 // of zstd, as the kernel: ZSTD_WINDOWSIZE_MAX
	maxDictionary = 64 << 20  // of xz and lzma: xz -9
)

// decompress returns what is compressed in in, which begins with magic, and the name of
// the way. Ends says that in stands behind it when all is read.
func decompress(in *bufio.Reader, magic []byte) (r io.ReadCloser, name string, ends bool, err error) {
	is := func(text string) bool { return bytes.HasPrefix(magic, []byte(text)) }
	switch {
	case is("\x1f\x8b"):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, "", false, err
		}
		z.Multistream(false)
		return z, "gzip", true, nil
	case is(xzMagic):
		return io.NopCloser(&xzReader{in: &counter{in: in}}), "xz", true, nil
	case is("\x28\xb5\x2f\xfd"):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderMaxMemory(maxBytes))
		if err != nil {
			return nil, "", false, err
		}
		return z.IOReadCloser(), "zstd", false, nil
	case is("\x04\x22\x4d\x18"), is("\x02\x21\x4c\x18"):
		return io.NopCloser(lz4.NewReader(in)), "lz4", false, nil
	case is("BZh"):
		return io.NopCloser(bzip2.NewReader(in)), "bzip2", false, nil
	case is("\x5d\x00\x00"):
		z, err := lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(in)
		if err != nil {
			return nil, "", false, err
		}
		return io.NopCloser(z), "lzma", false, nil
	}
	return nil, "", false, ErrFormat
}
