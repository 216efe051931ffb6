package chunk

import "fmt"

// What a Store elsewhere needs to make the files of a bundle there.

// ZeroSum is the SHA-256 of a part that is all zero, as the manifest spells it.
const ZeroSum = zeroSum

// TempName is the name that what will be name has until the bundle is complete.
func TempName(name string) string { return tempName(name) }

// Belongs says whether a name in a directory is taken by the bundle of prefix:
// "cat P.part.*" would read it, or it is one of the other two files.
func Belongs(prefix, name string) bool { return belongs(prefix, name) }

// IsFile says whether name can be a file of a bundle of prefix.
func IsFile(prefix, name string) bool { return isFinal(prefix, name) }

// Describe fills in what of m follows from the digests of the parts, all of them
// in order: Schema, Prefix, Image.Size, PartSize, Parts.
func (m *Manifest) Describe(prefix string, digests []string) error {
	n := len(digests)
	m.Schema, m.Prefix, m.PartSize = Schema, prefix, Size
	m.Image.Size = int64(n) * Size
	m.Parts = make([]Part, n)
	for i, sum := range digests {
		m.Parts[i] = Part{Name: PartName(prefix, i, n), Size: Size, SHA256: sum}
	}
	if err := m.check(); err != nil {
		return fmt.Errorf("manifest of %s: %w", prefix, err)
	}
	return nil
}

// Texts are the manifest file and the file of digests.
func (m *Manifest) Texts() (manifest, sums []byte, err error) {
	if manifest, err = m.encode(); err != nil {
		return nil, nil, fmt.Errorf("manifest of %s: %w", m.Prefix, err)
	}
	return manifest, sumsText(m.Parts), nil
}
