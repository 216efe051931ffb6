package walker

import (
	"path"
	"strings"

	"purebundle/walker/filter"
	"purebundle/walker/pattern"
)

// rules decide by name what of the tree is left out. In order of precedence: includes, excludes, default exclusions, the filter.
type rules struct {
	include, exclude *pattern.Set
	defaults         *pattern.Set // directories whose contents are left out by default
	reach            *pattern.Set // mount points of Options.Cross: below them no default applies that holds above
	filter           *filter.Set
	filtering        bool // filter has places
}

// fate is what happens to a name.
type fate int

const (
	keep     fate = iota
	drop          // absent, and so is everything below it that no include names
	dropFile      // drop if it is a regular file
	hollow        // a directory without its contents
	blank         // a regular file without its contents
	hostKey       // an SSH host key: drop if its root makes new ones at boot
	keyfile       // a connection of NetworkManager's: drop if it holds a secret
)

// Names are judged by whether they are directories'.
const (
	directory = true
	other     = false
)

// excludeRule begins the rule of an exclude, before its pattern.
const excludeRule = "exclude "

// verdict is the fate of one name with the rule behind it.
type verdict struct {
	fate    fate
	rule    string
	kept    bool // an include named it: no rule applies below
	resumed bool // Options.Cross named it: what was left out above is not left out below
	secret  bool // the rule is the filter's
	told    bool // the rule holds from further above, where it was reported
	nested  bool // the rule is a default, for a subvolume that looks like a root

	place *filter.Place // what the filter knows of the name, nil if nothing or if a rule that wins over it holds
}

// scope is what the rules know about the names of one directory.
type scope struct {
	kept      bool   // below something that an include named
	left      string // the rule by which names are left out here, "" if none
	byDefault bool   // left is a default exclusion
	secret    bool   // left is a rule of the filter

	inc, exc, def, rea pattern.States
	sub                pattern.States // of the defaults, for the subvolumes around that look like roots
	fil                filter.Scope
}

// newRules compiles the patterns of opt; cross are the mount points that Options.Cross names, as paths below SOURCE.
func newRules(opt Options, cross []string) (*rules, error) {
	var r rules
	var reach []string
	for _, p := range cross {
		if p != "/" {
			reach = append(reach, pattern.Quote(p))
		}
	}
	var defaults []string
	if !opt.NoDefaultExcludes {
		defaults = emptiedDirectories()
	}
	r.filtering = opt.Filter.InForce() != 0
	var err error
	if r.filter, err = filter.New(opt.Filter); err != nil {
		return nil, err
	}
	for _, s := range []struct {
		set      **pattern.Set
		patterns []string
	}{
		{&r.include, opt.Include}, {&r.exclude, opt.Exclude}, {&r.defaults, defaults}, {&r.reach, reach},
	} {
		if *s.set, err = pattern.NewSet(s.patterns); err != nil {
			return nil, err
		}
	}
	return &r, nil
}

// top returns the scope of SOURCE's own directory. The filter knows no homes there yet but those that each root has.
func (r *rules) top() scope {
	return scope{
		inc: r.include.Top(), exc: r.exclude.Top(), def: r.defaults.Top(), rea: r.reach.Top(),
		fil: r.filter.Root(filter.Scope{}, filter.NewHomes(nil, path.Clean)),
	}
}

// judge decides about a name in a directory.
func (r *rules) judge(sc *scope, name string, dir bool) verdict {
	if sc.kept {
		return verdict{kept: true}
	}
	if r.include.Match(sc.inc, name, dir) >= 0 {
		return verdict{kept: true}
	}
	crossed := len(sc.rea) > 0 && r.reach.Match(sc.rea, name, dir) >= 0
	if sc.left != "" && !(crossed && sc.byDefault) {
		return verdict{fate: drop, rule: sc.left, told: true}
	}
	if i := r.exclude.Match(sc.exc, name, dir); i >= 0 {
		return verdict{fate: drop, rule: excludeRule + r.exclude.Text(i)}
	}
	if sc.left != "" {
		return verdict{resumed: true}
	}
	if i := r.defaults.Match(sc.def, name, dir); i >= 0 && !crossed {
		return verdict{fate: hollow, rule: "the default for " + strings.TrimSuffix(r.defaults.Text(i), "/")}
	}
	if i := r.defaults.Match(sc.sub, name, dir); i >= 0 {
		return verdict{fate: hollow, rule: "the default for " + strings.TrimSuffix(r.defaults.Text(i), "/") + ", of a subvolume", nested: true}
	}
	if p := r.filter.Match(&sc.fil, name, dir); p != nil {
		return verdict{fate: r.fateOf(p), rule: p.Reason, secret: true, place: p}
	}
	return verdict{}
}

// fateOf returns what happens to a place of the filter.
func (r *rules) fateOf(p *filter.Place) fate {
	switch p.Take {
	case filter.File, filter.Name:
		return drop
	case filter.Regular:
		return dropFile
	case filter.Contents:
		return blank
	case filter.HostKey:
		return hostKey
	case filter.Keyfile:
		return keyfile
	case filter.Login:
		if r.filter.GiveAway() {
			return drop
		}
	}
	return keep
}

// child returns the scope of the directory called name, about which v was decided.
func (r *rules) child(sc *scope, name string, v verdict) scope {
	if v.kept {
		return scope{kept: true, fil: r.filter.Descend(&sc.fil, name)}
	}
	c := scope{
		left: sc.left, byDefault: sc.byDefault, secret: sc.secret,
		inc: r.include.Descend(sc.inc, name),
		exc: r.exclude.Descend(sc.exc, name),
		def: r.defaults.Descend(sc.def, name),
		rea: r.reach.Descend(sc.rea, name),
		sub: r.defaults.Descend(sc.sub, name),
		fil: r.filter.Descend(&sc.fil, name),
	}
	switch {
	case v.resumed:
		c.left, c.byDefault, c.secret = "", false, false
	case v.fate == drop || v.fate == hollow:
		c.left = v.rule
		c.byDefault = v.fate == hollow || v.told && sc.byDefault
		c.secret = v.secret || v.told && sc.secret
	}
	return c
}

// excludes says whether the walk must not add a name that the directory does not have.
func (r *rules) excludes(sc *scope, name string) bool {
	return r.include.Match(sc.inc, name, other) < 0 && r.exclude.Match(sc.exc, name, other) >= 0
}

// hopeless says that nothing in this directory or below can be kept.
func (r *rules) hopeless(sc *scope) bool {
	return sc.left != "" && !r.include.Alive(sc.inc) && !(sc.byDefault && r.reach.Alive(sc.rea))
}

// follow returns the scope of the directory at p below SOURCE, and the verdict about its name.
func (r *rules) follow(p string) (sc scope, v verdict) {
	sc = r.top()
	for name := range strings.SplitSeq(strings.Trim(p, "/"), "/") {
		if name == "" {
			break
		}
		v = r.judge(&sc, name, directory)
		sc = r.child(&sc, name, v)
	}
	return sc, v
}

// reaches says whether the walk looks at the directory at p below SOURCE, and otherwise which rule keeps it from that.
func (r *rules) reaches(p string) (rule string, ok bool) {
	if sc, v := r.follow(p); v.fate == drop && r.hopeless(&sc) {
		return v.rule, false
	}
	return "", true
}

// takes returns true if the walk takes what is in the directory at p below SOURCE, as far as can be told without looking: no exclude or
// default leaves out the directory or all of its contents. If it is a secret, takes returns the filter's rule.
func (r *rules) takes(p string) (secret string, ok bool) {
	sc, _ := r.follow(p)
	switch {
	case sc.kept:
		return "", true
	case sc.left != "" && sc.secret:
		return sc.left, true
	}
	return "", sc.left == "" && !r.exclude.All(sc.exc)
}

// keeps returns true if an include names the directory at p below SOURCE or one around it.
func (r *rules) keeps(p string) bool {
	sc, _ := r.follow(p)
	return sc.kept
}

// empties says which default rule leaves out the contents of the directory at p, "" if none does.
func (r *rules) empties(p string) string {
	if sc, _ := r.follow(p); r.hopeless(&sc) {
		return sc.left
	}
	return ""
}
