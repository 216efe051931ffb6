package filter

import (
	"fmt"
	"strings"
)

// classNames returns the names of the classes, in the order of their bits.
func classNames() []string {
	return []string{"secrets", "histories", "identity", "logs"}
}

// ParseClasses reads a list of classes as String writes it: names between commas, or "none".
func ParseClasses(text string) (Class, error) {
	if text == "none" {
		return None, nil
	}
	var all Class
next:
	for word := range strings.SplitSeq(text, ",") {
		for i, name := range classNames() {
			if word == name {
				all |= 1 << i
				continue next
			}
		}
		return 0, fmt.Errorf("%q: not one of %s, and not none alone", word, strings.Join(classNames(), ", "))
	}
	return all, nil
}

// String returns the names of the classes, or "none", or "" for 0.
func (c Class) String() string {
	if c&None != 0 {
		return "none"
	}
	var names []string
	for i, name := range classNames() {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}
