package ec2

import (
	"context"
	"io"
	"time"
)

// stepLen is how much of an image is read at once, in bytes.
const stepLen = 1 << 20

// header makes the header of the one member, sparse if src has holes, with
// the blocks that continue its map.
func header(name string, mtime time.Time, src *Source) []byte {
	sparse := len(src.Data) != 1 || src.Data[0] != Range{0, src.Size}
	if src.Size == 0 {
		sparse = false
	}
	stored := int64(0)
	for _, r := range src.Data {
		stored += r.Len
	}
	h := new(block)
	copy(h[nameOff:nameOff+nameLen], name)
	putNumber(h[modeOff:modeOff+modeLen], 0o600)
	putNumber(h[uidOff:uidOff+uidLen], 0)
	putNumber(h[gidOff:gidOff+gidLen], 0)
	putNumber(h[sizeOff:sizeOff+sizeLen], stored)
	putNumber(h[mtimeOff:mtimeOff+mtimeLen], max(mtime.Unix(), 0))
	copy(h[magicOff:], magicGNU)
	h[typeOff] = typeRegular
	var more []byte
	if sparse {
		h[typeOff] = typeSparse
		putNumber(h[realOff:realOff+realLen], src.Size)
		more = putMap(h, src)
	}
	putNumber(h[sumOff:sumOff+sumLen-1], h.checksum())
	h[sumOff+sumLen-1] = ' '
	return append(h[:], more...)
}

// putMap writes the map of a sparse member into its header and the blocks after
// it. A hole at the end is an entry of no bytes there.
func putMap(h *block, src *Source) []byte {
	entries := src.Data
	if n := len(entries); n == 0 || entries[n-1].end() < src.Size {
		entries = append(entries[:n:n], Range{src.Size, 0})
	}
	put := func(to []byte, list []Range) {
		for i, r := range list {
			putNumber(to[i*entryLen:i*entryLen+entryNumberLen], r.Off)
			putNumber(to[i*entryLen+entryNumberLen:(i+1)*entryLen], r.Len)
		}
	}
	first := entries[:min(len(entries), spCount)]
	put(h[spOff:], first)
	entries = entries[len(first):]
	if len(entries) > 0 {
		h[moreOff] = 1
	}
	var out []byte
	for len(entries) > 0 {
		var b block
		some := entries[:min(len(entries), spExtra)]
		put(b[:], some)
		entries = entries[len(some):]
		if len(entries) > 0 {
			b[extraMoreOff] = 1
		}
		out = append(out, b[:]...)
	}
	return out
}

// writeTar writes the archive with src as its one member. done, if not nil, is
// told how many bytes of the image have passed.
func writeTar(ctx context.Context, w io.Writer, name string, mtime time.Time, src *Source, done func(n int64)) error {
	head := header(name, mtime, src)
	if _, err := w.Write(head); err != nil {
		return err
	}
	written := int64(len(head))
	err := src.each(ctx, func(p []byte, _ int64) error {
		written += int64(len(p))
		_, err := w.Write(p)
		return err
	}, done)
	if err != nil {
		return err
	}
	if src.Consumed != nil {
		if err := src.Consumed(src.Size); err != nil {
			return err
		}
	}
	end := padded(written) + 2*blockLen
	end = (end + recordLen - 1) / recordLen * recordLen
	_, err = w.Write(make([]byte, end-written))
	return err
}
