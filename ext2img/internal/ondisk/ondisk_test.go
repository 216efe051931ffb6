package ondisk

import (
	"math/rand/v2"
	"strings"
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

// TestFitXattrs gives sets of attributes with a place for all of them, by trying
// every division.
func TestFitXattrs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	held, tight := 0, 0
	for range 20_000 {
		var xs []Xattr
		for i := range 1 + r.IntN(7) {
			size := r.IntN(60)
			if r.IntN(3) == 0 {
				size = r.IntN(3000)
			}
			xs = append(xs, Xattr{Index: []byte{XattrUser, XattrTrusted, XattrSecurity}[r.IntN(3)], Name: string(rune('a' + i)), Value: string(make([]byte, size))})
		}
		SortXattrs(xs)
		sum := func(xs []Xattr) (n int) {
			for _, x := range xs {
				n += x.Size()
			}
			return n
		}
		possible := false
		for set := range 1 << len(xs) {
			in := 0
			for i, x := range xs {
				in += set >> i & 1 * x.Size()
			}
			possible = possible || in <= XattrInodeSize && sum(xs)-in <= XattrBlockSize
		}
		inode, block, dropped := FitXattrs(xs)
		if sum(inode) > XattrInodeSize || sum(block) > XattrBlockSize || len(inode)+len(block)+len(dropped) != len(xs) {
			t.Fatalf("%d bytes in the inode, %d in the block, %d dropped", sum(inode), sum(block), len(dropped))
		}
		if possible != (len(dropped) == 0) {
			t.Fatalf("%d dropped, all fit %v: %+v", len(dropped), possible, xs)
		}
		if possible {
			held++
		}
		if possible && sum(xs) > XattrBlockSize {
			tight++
		}
	}
	if held == 0 || held == 20_000 || tight < 20 {
		t.Errorf("%d of 20,000 sets fit, %d of them in both places", held, tight)
	}
}

// TestXattrHash wants no hash for an entry in an inode, as the kernel writes it: e2fsck before 1.47 calls that of a name with a byte over 0x7F
// invalid, and with -p clears all attributes of the inode.
func TestXattrHash(t *testing.T) {
	b := InodeXattrs([]Xattr{{Index: XattrUser, Name: "caf\xe9", Value: "x"}, {Index: XattrUser, Name: "plain", Value: "y"}})
	for off, name := range map[int]string{4: "caf\xe9", 4 + XattrEntrySize + 4: "plain"} {
		if got := string(b[off+XattrEntrySize:][:b[off+XattrENameLen]]); got != name {
			t.Fatalf("an entry %q, want %q", got, name)
		}
		if hash := le.Uint32(b[off+XattrEHash:]); hash != 0 {
			t.Errorf("%q: e_hash %#x, want 0", name, hash)
		}
	}
}

// TestXattrBlockHash wants the hash that e2fsck 1.46.2 takes on x86, in a block.
func TestXattrBlockHash(t *testing.T) {
	if charSign() == Unsigned {
		return // there it is the other one, as XattrHash is called with Unsigned
	}
	b := make([]byte, BlockSize)
	PutXattrBlock(b, []Xattr{{Index: XattrUser, Name: "caf\xc3\xa9", Value: strings.Repeat("x", 300)}}, 1, 0, 0)
	if hash := le.Uint32(b[XattrHeaderSize+XattrEHash:]); hash != 0x67ae7e79 {
		t.Errorf("e_hash %#x, want 0x67ae7e79", hash)
	}
}
