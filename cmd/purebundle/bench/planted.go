package main

import (
	"fmt"
	"slices"
)

// contestH bundles what an ordinary user can plant, each kind once as it is and
// once half of it: twice as much may take twice as long.
func (b *bench) contestH() error {
	if err := b.room(14 * b.scale); err != nil {
		return err
	}
	for _, letter := range []string{"H1", "H2", "H3", "H4", "H5", "H6"} {
		if err := b.contestPlanted(letter); err != nil {
			return err
		}
	}
	return nil
}

// longText is what purebundle keeps in memory of long names and long targets of symbolic links, in MiB.
const longText = 64

// manySets is the same of attributes, with what the garbage collector has not collected of so much.
const manySets = 256 * 115 / 100

func (b *bench) contestPlanted(letter string) error {
	whole, err := b.tree(letter)
	if err != nil {
		return err
	}
	defer b.drop(whole)
	half, err := b.treeAt(letter, b.scale/2)
	if err != nil {
		return err
	}
	defer b.drop(half)
	all, some := b.bundle("purebundle", whole, nil), b.bundle("purebundle, half of it", half, nil)
	some.always, all.part, some.part = true, true, true
	if err := b.compete(&contest{title: letter, trees: []*tree{whole, half}, programs: []*program{all, some}}); err != nil {
		return err
	}
	b.linear(letter+": time an entry", all, some, float64(half.Entries)/float64(whole.Entries))
	base := 48.0
	switch letter {
	case "H2", "H3":
		base += longText
	case "H6":
		base += manySets
	}
	limit := base + 300*float64(whole.Entries)/(1<<20)
	most := fmt.Sprintf("%g + 300 bytes × entries = %.0f", base, limit)
	b.add(letter+": peak RSS in MiB", most, limit, peaks(all), "%.0f")
	return nil
}

// linear adds the target that a thing takes as long among all as among fewer;
// share is how many fewer.
func (b *bench) linear(what string, all, some *program, share float64) {
	each := slices.Clone(ratios(all, some))
	for i := range each {
		each[i] *= share
	}
	b.atMost(what+" against half as many", 1.4, each)
}
