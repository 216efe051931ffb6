package pattern_test

import (
	"fmt"

	"purebundle/walker/pattern"
)

// A walk down /srv/web/cache judges each name by the states of the directory that has it.
func Example() {
	set, err := pattern.NewSet([]string{"*.log", "/srv/**/cache/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	states := set.Top()
	for _, dir := range []string{"srv", "web"} {
		states = set.Descend(states, dir)
	}
	for _, name := range []string{"cache", "index.html", "access.log"} {
		if i := set.Match(states, name, name == "cache"); i >= 0 {
			fmt.Println(name, "matches", set.Text(i))
		}
	}
	// Output:
	// cache matches /srv/**/cache/
	// access.log matches *.log
}
