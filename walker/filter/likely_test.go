package filter

import (
	"math/rand/v2"
	"path"
	"strings"
	"testing"
)

// TestLikely holds likely against the same question asked the long way, for names made of pieces of the words.
func TestLikely(t *testing.T) {
	slow := func(name string) bool {
		lower := strings.ToLower(name)
		if ext := path.Ext(lower); ext != "" && strings.Contains(" .pem .key .crt .cer .p8 .pk8 .p12 .pfx .jks .ppk .age .asc ", " "+ext+" ") {
			return true
		}
		for _, word := range []string{"key", "priv", "secret", "cert", "ssl", "tls", "ssh", "id_"} {
			if strings.Contains(lower, word) {
				return true
			}
		}
		return false
	}
	pieces := strings.Fields("k ey pr iv se cret ce rt s sl tl id _ . pem Pfx KE y PRI v SSH x - \xff é")
	r := rand.New(rand.NewPCG(1, 2))
	yes := 0
	const names = 20_000
	for range names {
		name := ""
		for range 1 + r.IntN(5) {
			name += pieces[r.IntN(len(pieces))]
		}
		want := slow(name)
		if likely(name) != want {
			t.Fatalf("%q: %t, want %t", name, !want, want)
		}
		if want {
			yes++
		}
	}
	if yes < names/50 || yes > names*49/50 {
		t.Errorf("%d of %d names are likely", yes, names)
	}
}
