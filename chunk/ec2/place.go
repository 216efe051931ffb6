package ec2

import (
	"crypto"
	"strings"

	"purebundle/chunk"
)

// set returns the files of a bundle in Amazon's format.
func set(prefix string) chunk.Set {
	taken := func(name string) (bool, error) {
		if name == chunk.ManifestName(prefix) {
			return false, &chunk.Error{Err: cause("is a raw bundle of that prefix, whose parts would be mixed up with the new ones"),
				Hint: "choose another prefix or directory"}
		}
		number, part := strings.CutPrefix(name, prefix+partInfix)
		return name == ManifestName(prefix) || part && isNumber(number), nil
	}
	return chunk.Set{Prefix: prefix, Last: ManifestName(prefix), Taken: taken}
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// file returns what the manifest says of part i.
func (m *Manifest) file(i int) chunk.File {
	return chunk.File{Name: m.Parts[i].Name, Size: m.PartSize(i), Digest: chunk.Digest{Hash: crypto.SHA1, Hex: strings.ToLower(m.Parts[i].Digest)}}
}

// checkNames refuses names of parts that no tool has ever made: they are joined to
// directories, and what they name is replaced and deleted.
func (m *Manifest) checkNames() error {
	for i, p := range m.Parts {
		at := strings.LastIndex(p.Name, partInfix)
		if at <= 0 || p.Name[0] == '.' || p.Name[0] == '-' || !isNumber(p.Name[at+len(partInfix):]) {
			return partNameError{i, p.Name}
		}
	}
	return nil
}
