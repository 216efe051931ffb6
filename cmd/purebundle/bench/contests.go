package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

const (
	floorSynced   = "floor"
	floorUnsynced = "floor without fsync"
)

func (b *bench) contestA() error {
	if err := b.room(5); err != nil {
		return err
	}
	t, err := b.tree("A")
	if err != nil {
		return err
	}
	defer b.drop(t)
	var m made
	auto := b.bundle("purebundle", t, &m)
	synced := b.floor(floorSynced, t, "-fsync")
	mke2fs, split, rsync := b.recipe(mke2fsAlone, t, &m), b.recipe(mke2fsSplit, t, &m), b.recipe(rsyncRecipe, t, &m)
	large := b.bundle("purebundle --size 100G", t, nil, "--size=100G")
	dry, disk := b.bundle("purebundle --dry-run", t, nil, "--dry-run"), b.disk(t)
	err = b.compete(&contest{title: "A, hot", trees: []*tree{t}, programs: []*program{
		auto, synced, b.floor(floorUnsynced, t), mke2fs, split, rsync, large, dry, disk}})
	if err != nil {
		return err
	}
	b.atMost("A: wall against the floor", 1.5, ratios(auto, synced))
	b.atMost("A: wall against mke2fs -d alone", 0.6, ratios(auto, mke2fs))
	b.atMost("A: wall against mke2fs -d, split, sha256sum", 0.15, ratios(auto, split))
	b.atMost("A: wall against the rsync recipe", 0.12, ratios(auto, rsync))
	b.atMost("A: --size 100G against auto size", 1.3, ratios(large, auto))
	b.bytesAndMemory(auto, &m)
	b.seconds("A: --dry-run, start to first part", 0.3, dry)
	if disk != nil {
		b.atMost("A: --disk against the file system alone", 1.1, ratios(disk, auto))
		b.add("A: peak RSS of --disk, in MiB more", "10", 10, []float64{peaks(disk)[0] - peaks(auto)[0]}, "%.1f")
	}
	if err := b.verifyA(t); err != nil {
		return err
	}
	if err := b.contestEC2(t); err != nil {
		return err
	}
	return b.coldA(t)
}

// disk returns a program that makes a whole disk of a tree, nil if it has no boot loader
// that starts one.
func (b *bench) disk(t *tree) *program {
	if found, err := filepath.Glob(filepath.Join(t.path, "usr/lib/grub/*-efi-signed/grub*.signed")); err != nil || len(found) == 0 {
		b.missing = append(b.missing, "--disk is not measured: tree "+t.letter+" has no signed GRUB")
		return nil
	}
	return b.bundle("purebundle --disk", t, nil, "--disk")
}

// verifyA reads the digests of one bundle of A.
func (b *bench) verifyA(t *tree) error {
	dir := filepath.Join(b.dir, "bundle-A")
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			b.say("%v", err)
		}
	}()
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if _, _, err := measure(b.ctx, []string{b.purebundle, "bundle", "-q", t.path, dir}); err != nil {
		return err
	}
	parts, err := partFiles(dir)
	if err != nil {
		return err
	}
	verify := &program{name: "purebundle verify", tree: t, hot: dir, argv: func(string) []string {
		return []string{b.purebundle, "verify", "--progress=none", dir}
	}}
	sha256sum := b.digester("sha256sum", t, dir, parts, "sha256sum")
	openssl := b.digester("openssl dgst", t, dir, parts, "openssl", "dgst", "-sha256")
	err = b.compete(&contest{title: "A, verify", trees: []*tree{t}, programs: []*program{
		verify, sha256sum, openssl, b.shared("sha256sum, one a processor", t, dir, parts)}})
	if err != nil {
		return err
	}
	fastest := sha256sum
	if sha256sum == nil || openssl != nil && median(openssl.walls()) < median(sha256sum.walls()) {
		fastest = openssl
	}
	if fastest != nil {
		b.atMost("A: verify against "+fastest.name+" of the parts", 1.1, ratios(verify, fastest))
	}
	return nil
}

func (b *bench) coldA(t *tree) error {
	if os.Geteuid() != 0 {
		return nil
	}
	if err := dropCaches(); err != nil {
		b.missing = append(b.missing, "cold caches: "+err.Error())
		return nil
	}
	many := 8 * runtime.NumCPU()
	programs := []*program{
		b.bundle("purebundle", t, nil),
		b.floor(floorSynced, t, "-fsync"),
		b.floor(fmt.Sprintf("floor, %d workers", many), t, "-fsync", "-workers", strconv.Itoa(many)),
		b.recipe(mke2fsAlone, t, b.sizes[t]),
	}
	for _, p := range programs {
		if p != nil {
			p.hot = ""
		}
	}
	return b.compete(&contest{title: "A, cold", trees: []*tree{t}, programs: programs})
}

// contestBE has both trees at once: the time an entry of one is measured
// against that of the other.
func (b *bench) contestBE() error {
	if err := b.room(14 * b.scale); err != nil {
		return err
	}
	small, err := b.tree("B")
	if err != nil {
		return err
	}
	defer b.drop(small)
	var m, many made
	auto := b.bundle("purebundle", small, &m)
	synced := b.floor(floorSynced, small, "-fsync")
	mke2fs := b.recipe(mke2fsAlone, small, &m)
	c := &contest{title: "B", trees: []*tree{small}, programs: []*program{auto, synced, b.floor(floorUnsynced, small), mke2fs}}
	var tiny *program
	if b.asked("E") {
		t, err := b.tree("E")
		if err != nil {
			return err
		}
		defer b.drop(t)
		tiny = b.bundle("purebundle", t, &many)
		c.title, c.trees, c.programs = "B and E", append(c.trees, t), append(c.programs, tiny)
	}
	if err := b.compete(c); err != nil {
		return err
	}
	b.atMost("B: wall against the floor", 1.5, ratios(auto, synced))
	b.atMost("B: wall against mke2fs -d alone", 0.5, ratios(auto, mke2fs))
	b.bytesAndMemory(auto, &m)
	if tiny != nil {
		perEntry := ratios(tiny, auto)
		for i := range perEntry {
			perEntry[i] *= float64(small.Entries) / float64(tiny.tree.Entries)
		}
		b.atMost("E: time an entry against B's", 1.2, perEntry)
		b.bytesAndMemory(tiny, &many)
	}
	return nil
}

func (b *bench) contestC() error {
	if err := b.room(3 * b.scale); err != nil {
		return err
	}
	one, err := b.tree("C")
	if err != nil {
		return err
	}
	defer b.drop(one)
	spread, err := b.tree("C1")
	if err != nil {
		return err
	}
	defer b.drop(spread)
	var m made
	alone, among := b.bundle("purebundle", one, &m), b.bundle("purebundle", spread, nil)
	if err := b.compete(&contest{title: "C", trees: []*tree{one, spread}, programs: []*program{alone, among}}); err != nil {
		return err
	}
	b.atMost("C: wall against the same files in 1,000 directories", 1.5, ratios(alone, among))
	b.bytesAndMemory(alone, &m)
	return nil
}

func (b *bench) contestD() error {
	if err := b.room(14 * b.scale); err != nil {
		return err
	}
	t, err := b.tree("D")
	if err != nil {
		return err
	}
	defer b.drop(t)
	var m made
	auto, synced := b.bundle("purebundle", t, &m), b.floor(floorSynced, t, "-fsync")
	err = b.compete(&contest{title: "D", trees: []*tree{t}, programs: []*program{auto, synced, b.floor(floorUnsynced, t)}})
	if err != nil {
		return err
	}
	b.atMost("D: wall against the floor", 1.5, ratios(auto, synced))
	b.bytesAndMemory(auto, &m)
	return nil
}

func (b *bench) contestF() error {
	if err := b.room(1); err != nil {
		return err
	}
	t, err := b.tree("F")
	if err != nil {
		return err
	}
	defer b.drop(t)
	var m made
	auto := b.bundle("purebundle", t, &m)
	err = b.compete(&contest{title: "F", trees: []*tree{t}, programs: []*program{auto, b.recipe(mke2fsAlone, t, &m)}})
	if err != nil {
		return err
	}
	b.bytesAndMemory(auto, &m)
	return nil
}

// bytesAndMemory adds the targets that hold for every tree.
func (b *bench) bytesAndMemory(p *program, m *made) {
	if b.sizes == nil {
		b.sizes = make(map[*tree]*made)
	}
	b.sizes[p.tree] = m
	letter := p.tree.letter
	read, written := make([]float64, len(p.runs)), make([]float64, len(p.runs))
	for i, u := range p.runs {
		read[i] = float64(u.read) / float64(p.tree.Data)
		written[i] = float64(u.written) / float64(m.NonZero)
	}
	b.atMost(letter+": bytes read against file data", 1.01, read)
	b.atMost(letter+": bytes written against non-zero bytes of the image", 1.02, written)
	limit := 48 + 300*float64(p.tree.Entries)/(1<<20)
	b.add(letter+": peak RSS in MiB", fmt.Sprintf("48 + 300 bytes × entries = %.0f", limit), limit, peaks(p), "%.0f")
}
