package extfs

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"purebundle/ext2img/imgtest"
	"purebundle/ext2img/internal/ondisk"
)

// FuzzClean damages metadata of small images and makes the checksums right: what
// Check calls clean, e2fsck must.
func FuzzClean(f *testing.F) {
	imgtest.NeedTool(f, "e2fsck")
	seeds, err := seedImages()
	if err != nil {
		f.Fatal(err)
	}
	for i := range seeds {
		f.Add(byte(i), []byte{})
		for region := range seeds[i].regions {
			f.Add(byte(i), []byte{byte(region), 0, 4, 0, 0xff, 0xff, 0xff, 0xff})
			f.Add(byte(i), []byte{byte(region), 64, 20, 0, 1, 0, 0, 0, byte(region), 128, 30, 0, 3, 0, 0, 0})
		}
	}
	f.Fuzz(func(t *testing.T, which byte, edits []byte) {
		seed := &seeds[int(which)%len(seeds)]
		if len(edits) > 80 {
			return
		}
		img := seed.damage(edits)
		seed.mend(img)
		fs, err := Open(bytes.NewReader(img), int64(len(img)))
		if err != nil {
			return
		}
		found := 0
		if err := fs.Check(context.Background(), func(Problem) { found++ }); err != nil || found > 0 {
			return
		}
		if out := e2fsckSays(t, img); out != "" {
			t.Fatalf("Check finds nothing, but e2fsck says:\n%s", out)
		}
	})
}

// TestFeatures gives small images each feature that they do not have, and takes away
// each that they have: what Check calls clean, e2fsck must.
func TestFeatures(t *testing.T) {
	imgtest.NeedTool(t, "e2fsck")
	seeds, err := seedImages()
	if err != nil {
		t.Fatal(err)
	}
	clean := 0
	for i := range seeds {
		for bit := range 96 { // s_feature_compat, s_feature_incompat and s_feature_ro_compat
			img := bytes.Clone(seeds[i].img)
			img[1024+ondisk.SFeatureCompat+bit/8] ^= 1 << (bit % 8)
			seeds[i].mend(img)
			fs, err := Open(bytes.NewReader(img), int64(len(img)))
			if err != nil {
				continue
			}
			found := 0
			if err := fs.Check(t.Context(), func(Problem) { found++ }); err != nil || found > 0 {
				continue
			}
			clean++
			if out := e2fsckSays(t, img); out != "" {
				t.Errorf("%s, bit %d of word %d: Check finds nothing, but e2fsck says:\n%.1000s", seedNames[i], bit%32, bit/32, out)
			}
		}
	}
	if clean < 10 {
		t.Errorf("only %d of the images are clean", clean)
	}
}

// e2fsckSays returns what e2fsck finds in an image, "" for nothing.
func e2fsckSays(t *testing.T, img []byte) string {
	t.Helper()
	dir := "/dev/shm" // in memory, where there is one
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		dir = ""
	}
	dir, err := os.MkdirTemp(dir, "extfs")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	image := filepath.Join(dir, "image")
	if err := os.WriteFile(image, img, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("e2fsck", "-fn", image)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "E2FSCK_CONFIG=/dev/null", "E2FSCK_TIME=12884901887") // see imgtest
	out, err := cmd.CombinedOutput()
	if err == nil && !strings.Contains(string(out), "? no") {
		return ""
	}
	return string(out)
}
