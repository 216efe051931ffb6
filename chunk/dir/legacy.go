package dir

import (
	"maps"
	"slices"
	"strings"
)

// What versions up to the autumn of 2026 left behind: journals that list old
// files only, and bundles in Amazon's format that were replaced without a journal.

// journalHead1 begins a journal of version 1: a line an old file, nothing about
// new ones. Only raw bundles had journals.
const journalHead1 = "purebundle commit 1\n"

// manifest1 and sums1 end the names of a raw bundle's other files.
const (
	manifest1 = ".manifest.json"
	sums1     = ".sha256"
)

// parseJournal1 reads the lines of a journal of version 1.
func parseJournal1(name, group, body string, bad func(why string) error) (*journal, error) {
	j := &journal{name: name, group: group, last: group + manifest1, all: true}
	for line := range strings.Lines(body) {
		line = strings.TrimSuffix(line, "\n")
		if !isFile1(group, line) {
			return nil, bad("names a file that is no part of the bundle")
		}
		j.old = append(j.old, line)
	}
	return j, nil
}

// isFile1 says whether name can be a file of a raw bundle.
func isFile1(group, name string) bool {
	number, ok := strings.CutPrefix(name, group+partInfix)
	if !ok {
		return name == group+sums1 || name == group+manifest1
	}
	return len(number) >= 3 && isNumber(number)
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

const (
	ec2Suffix   = ".purebundle-ec2-old" // of the bundle that was being replaced
	ec2Manifest = ".manifest.xml"
)

// settleEC2 puts right bundles in Amazon's format whose replacement was killed.
// The old manifest was moved away first and the new one came last; new parts came
// in order, after all old files were away.
func settleEC2(d *Dir) error {
	names, err := d.Names()
	if err != nil {
		return err
	}
	groups := make(map[string][]string) // the files that were moved away
	for _, name := range names {
		hidden, dot := strings.CutPrefix(name, ".")
		old, moved := strings.CutSuffix(hidden, ec2Suffix)
		unborn, fresh := strings.CutSuffix(hidden, ec2Manifest+newSuffix)
		if !dot || !moved && !fresh {
			continue
		}
		has, err := d.has(name)
		switch {
		case err != nil:
			return err
		case !has: // a stranger's
		case moved:
			if group, ok := groupEC2(old); ok {
				groups[group] = append(groups[group], old)
			}
		case fresh:
			groups[unborn] = append(groups[unborn], "")
		}
	}
	if len(groups) == 0 {
		return nil
	}
	if names, err = d.ours(names); err != nil {
		return err
	}
	for _, group := range slices.Sorted(maps.Keys(groups)) {
		old := slices.DeleteFunc(groups[group], func(name string) bool { return name == "" })
		if err := settleEC2Group(d, names, group, old); err != nil {
			return err
		}
	}
	return nil
}

// groupEC2 returns the prefix of a bundle in Amazon's format that has a file of that
// name; such bundles have no others.
func groupEC2(name string) (group string, ok bool) {
	if group, ok = strings.CutSuffix(name, ec2Manifest); !ok {
		var number string
		group, number, ok = strings.Cut(name, partInfix)
		ok = ok && isNumber(number)
	}
	return group, ok && group != "" && group[0] != '.' && !strings.Contains(group, "/")
}

func settleEC2Group(d *Dir, names []string, group string, old []string) error {
	last := group + ec2Manifest
	backup := func(name string) string { return "." + name + ec2Suffix }
	if slices.Contains(names, last) { // the new bundle is whole
		backups := make([]string, len(old))
		for i, name := range old {
			backups[i] = backup(name)
		}
		return removeAll(d, backups)
	}
	unborn := tempName(last)
	if slices.Contains(names, unborn) && !slices.Contains(names, tempName(group+partInfix+"0")) {
		// Its first part has its name already: all parts that have theirs are new.
		var fresh []string
		for _, name := range names {
			if number, ok := strings.CutPrefix(name, group+partInfix); ok && isNumber(number) {
				fresh = append(fresh, name)
			}
		}
		if err := removeAll(d, fresh); err != nil {
			return err
		}
		if err := d.sync(); err != nil {
			return err
		}
		if err := d.Remove(unborn); err != nil { // else old parts that are back would look new
			return err
		}
		if err := d.sync(); err != nil {
			return err
		}
	}
	for _, name := range old {
		if name != last {
			if err := d.restore(backup(name), name); err != nil {
				return err
			}
		}
	}
	if err := d.sync(); err != nil {
		return err
	}
	if !slices.Contains(old, last) {
		return nil
	}
	if err := d.restore(backup(last), last); err != nil {
		return err
	}
	return d.sync()
}
