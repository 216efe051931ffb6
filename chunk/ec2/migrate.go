package ec2

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"purebundle/chunk"
)

// Migrate writes the manifest of b anew, version 2007-10-10, with what change
// made of it: signed again, and its key encrypted for EC2's other certificate. The
// signature must be right. The parts stay as they are. What was at the manifest's
// path is kept under the same name with ".bak".
func (b *Bundle) Migrate(keys Keys, change func(m *Manifest)) (err error) {
	if err := b.CheckSignature(keys.User); err != nil {
		return err
	}
	s, err := b.session(keys.Private)
	if err != nil {
		return err
	}
	m := *b.manifest
	change(&m)
	if m.keys.ec2Key, m.keys.ec2IV, err = s.wrap(keys.EC2); err != nil {
		return fmt.Errorf("encrypt the key for EC2: %w", err)
	}
	text, err := m.encode(keys.Private)
	if err != nil {
		return err
	}
	if err := m.CheckSignature(keys.User); err != nil {
		return hinted("sign", b.path, cause("the private key does not go with the user's certificate"), "give the two that were made together")
	}
	return replaceFile(b.path, text)
}

// replaceFile puts text at path, durable, and keeps what was there as path.bak.
func replaceFile(path string, text []byte) (err error) {
	out, err := openOutputDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer out.f.Close()
	name := filepath.Base(path)
	f, err := out.create(tempName(name))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, out.remove(tempName(name)))
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fail("write", path, err)
	}
	// A link first, so that there is a manifest at every moment.
	backup := path + ".bak"
	if err := os.Remove(backup); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fail("remove", backup, err)
	}
	if err := os.Link(path, backup); err != nil {
		return &chunk.Error{Op: "link", Path: backup, Err: errors.Unwrap(err)}
	}
	if err := out.rename(tempName(name), name); err != nil {
		return err
	}
	return out.sync()
}
