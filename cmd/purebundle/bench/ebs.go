package main

import (
	"errors"
	"fmt"
)

const (
	ebsDirect = "purebundle to EBS"
	ebsTwice  = "bundle to disk, then PutSnapshotBlock one by one"
)

// contestEBS measures a bundle that goes straight into a snapshot, against one that is
// made on disk first, and of which each block that is not zero is then put, one after the
// other. The server is ebstest, in a process of its own: it checks each block, keeps the
// digests alone, and takes at least ebsLatency for each, as EBS does; so what it does is
// a small part of the wall time.
func (b *bench) contestEBS(t *tree) error {
	server, err := b.serveEBS()
	if err != nil {
		return err
	}
	defer server.stop()
	var straight, one ebsState
	direct := b.bundle(ebsDirect, t, nil)
	direct.argv = func(string) []string { return server.run(b.purebundle, "bundle", "-q", t.path, "ebs:") }
	direct.look = func(string, string) error { return server.holds(&straight) }
	twice := b.bundle(ebsTwice, t, nil)
	twice.argv = func(out string) []string {
		return server.run("/bin/sh", "-euc", `"$1" bundle -q "$2" "$3"; exec "$4" blocks "$3"`, "sh", b.purebundle, t.path, out, b.self)
	}
	twice.look = func(string, string) error { return server.holds(&one) }
	dry := b.bundle(s3Dry, t, nil, "--dry-run")
	title := fmt.Sprintf("G, to EBS on loopback, each request of at least %v", ebsLatency)
	if err := b.compete(&contest{title: title, trees: []*tree{t}, programs: []*program{direct, twice, dry}}); err != nil {
		return err
	}
	b.atMost("G: wall straight to EBS against disk first, then block by block", 0.5, ratios(direct, twice))
	if len(dry.runs) > 0 {
		b.add("G: peak RSS straight to EBS above that of the walk (--dry-run) in MiB", "64", 64,
			[]float64{peaks(direct)[0] - peaks(dry)[0]}, "%.0f")
	}
	if one.Blocks > 0 {
		b.atMost("G: requests to write against blocks of the image that are not zero (the journal's and tables are zero and in use)", 1.03, []float64{float64(straight.Puts) / float64(one.Blocks)})
	}
	return nil
}

// run returns a command line with the environment of the server, which has forgotten what
// it held.
func (s *ebsServer) run(argv ...string) []string {
	if err := s.forget(); err != nil {
		return []string{"/bin/sh", "-c", `echo "$1" >&2; exit 1`, "sh", err.Error()}
	}
	return append(append([]string{"/usr/bin/env"}, s.Env...), argv...)
}

// holds checks that there is one snapshot, and that it is complete.
func (s *ebsServer) holds(state *ebsState) (err error) {
	if *state, err = s.state(); err != nil {
		return err
	}
	if state.Complete != 1 || state.Snapshots != 1 || state.Blocks == 0 {
		return errors.New("no complete snapshot in EBS")
	}
	return nil
}
