package filter_test

import (
	"fmt"
	"path"

	"purebundle/walker/filter"
)

// A walk in /home/ann asks about each name by the scope of the directory that has it.
func Example() {
	set, err := filter.New(filter.Choice{})
	if err != nil {
		fmt.Println(err)
		return
	}
	accounts := []byte("ann:x:1000:1000::/home/ann:/bin/sh\n")
	scope := set.Root(filter.Scope{}, filter.NewHomes(accounts, path.Clean))
	for _, dir := range []string{"home", "ann"} {
		scope = set.Descend(&scope, dir)
	}
	for _, name := range []string{".pgpass", "letter.txt", ".mysql_history"} {
		if p := set.Match(&scope, name, false); p != nil {
			fmt.Println(name+":", p.Reason)
		}
	}
	// Output:
	// .pgpass: stored credentials
	// .mysql_history: history of commands
}
