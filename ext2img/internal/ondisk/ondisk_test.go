package ondisk

import (
	"testing"
	"time"
)

func TestStamp(t *testing.T) {
	cases := []struct {
		sec   int64
		exact bool
		want  Stamp
	}{
		{MinSec - 1, false, Stamp{0x80000000, 0}},
		{MinSec, true, Stamp{0x80000000, 7 << 2}},
		{-1, true, Stamp{0xFFFFFFFF, 7 << 2}},
		{0, true, Stamp{0, 7 << 2}},
		{1<<31 - 1, true, Stamp{0x7FFFFFFF, 7 << 2}},
		{1 << 31, true, Stamp{0x80000000, 7<<2 | 1}},
		{1<<32 - 1, true, Stamp{0xFFFFFFFF, 7<<2 | 1}},
		{1 << 32, true, Stamp{0, 7<<2 | 1}},
		{MaxSec, true, Stamp{0x7FFFFFFF, 7<<2 | 3}},
		{MaxSec + 1, false, Stamp{0x7FFFFFFF, 999_999_999<<2 | 3}},
	}
	for _, c := range cases {
		got, exact := NewStamp(c.sec, 7)
		if got != c.want || exact != c.exact {
			t.Errorf("NewStamp(%d) = %x %v, want %x %v", c.sec, got, exact, c.want, c.exact)
		}
		if c.exact && !got.Time().Equal(time.Unix(c.sec, 7)) {
			t.Errorf("%d comes back as %v", c.sec, got.Time())
		}
	}
}

func TestACL(t *testing.T) {
	entry := func(tag, perm byte, id ...byte) []byte { return append([]byte{tag, 0, perm, 0}, id...) }
	join := func(bs ...[]byte) (out string) {
		for _, b := range bs {
			out += string(b)
		}
		return out
	}
	none := []byte{0xFF, 0xFF, 0xFF, 0xFF}
	in := join([]byte{2, 0, 0, 0}, entry(1, 6, none...), entry(2, 4, 0xE8, 3, 0, 0), entry(4, 4, none...), entry(0x10, 4, none...), entry(0x20, 0, none...))
	want := join([]byte{1, 0, 0, 0}, entry(1, 6), entry(2, 4, 0xE8, 3, 0, 0), entry(4, 4), entry(0x10, 4), entry(0x20, 0))
	got, ok := NewXattr("system.posix_acl_access", []byte(in))
	if !ok || got.Value != want || got.Index != 2 || got.Name != "" {
		t.Errorf("got %+v %v, want %x", got, ok, want)
	}
	for _, bad := range []string{"", "\x01\x00\x00\x00", in[:len(in)-1], in[:4] + "\x7a" + in[5:]} {
		if _, ok := NewXattr("system.posix_acl_default", []byte(bad)); ok {
			t.Errorf("ACL %x accepted", bad)
		}
	}
}

func TestXattrNames(t *testing.T) {
	long := string(make([]byte, 256))
	for name, ok := range map[string]bool{
		"user.a": true, "trusted.a.b": true, "security.capability": true,
		"user.": false, "system.nfs4_acl": false, "btrfs.compression": false, "user." + long: false, "user." + long[1:]: true,
	} {
		if _, got := NewXattr(name, nil); got != ok {
			t.Errorf("NewXattr(%.20q) ok %v, want %v", name, got, ok)
		}
	}
}

// TestNameHash holds the hash against what `debugfs -R 'dx_hash -h half_md4 NAME'` says.
func TestNameHash(t *testing.T) {
	cases := map[string]uint32{
		"a":                                  0xd5fa7d7a,
		"lost+found":                         0x591de422,
		"\xff\x80name":                       0x8be251ca,
		"0123456789abcdef0123456789abcdef":   0x36184620,
		"0123456789abcdef0123456789abcdefXY": 0xfc90de40,
	}
	for name, want := range cases {
		if got, ok := NameHash(HashHalfMD4, name, [4]uint32{}, Signed); got != want || !ok {
			t.Errorf("NameHash(%q) = %#x, want %#x", name, got, want)
		}
	}
}

func BenchmarkInode(b *testing.B) {
	buf := make([]byte, InodeSize)
	in := Inode{Mode: SIFREG | 0o644, Links: 1, Flags: ExtentsFl}
	b.ReportAllocs()
	for b.Loop() {
		clear(buf)
		in.Put(buf, 12, 1)
	}
}

func BenchmarkNameHash(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		NameHash(HashHalfMD4, "libsomething.so.6.0.1", [4]uint32{1, 2, 3, 4}, Signed)
	}
}

func BenchmarkDirLeaf(b *testing.B) {
	buf := make([]byte, BlockSize)
	b.ReportAllocs()
	for b.Loop() {
		clear(buf)
		l := NewDirLeaf(buf)
		for range DirLeafSize / DirentSize(16) {
			l.Add(12, FtRegular, "0123456789abcdef")
		}
		l.Close(2, 1)
	}
}
