package ec2

import (
	"testing"
)

// Names of parts come from a manifest that anybody may have written.
func TestNamesOfParts(t *testing.T) {
	for name, good := range map[string]bool{
		"image.part.0": true, "image.part.017": true, "a.part.b.part.3": true,
		"image.part.": false, "image.part.x": false, ".bashrc": false, ".x.part.0": false, "-x.part.0": false, ".part.0": false, "image": false,
		"image.part.1\n": false, "image.part.1 ": false,
	} {
		if err := (&Manifest{Parts: []Part{{Name: name}}}).checkNames(); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}
