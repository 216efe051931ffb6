package cli

import (
	"fmt"
	"strings"

	"purebundle/chunk/awsapi"
	"purebundle/cmd/purebundle/words"
)

// WarnExposed warns of files with keys that others than their owner may read.
func (a *App) WarnExposed(paths ...string) {
	open := awsapi.Exposed(paths)
	if len(open) == 0 || a.Quiet {
		return
	}
	quoted := make([]string, len(open))
	for i, p := range open {
		quoted[i] = words.Quote(p)
	}
	a.Say(fmt.Sprintf("warning: %s can be read by others than the owner: chmod 600 %s",
		words.Plural(int64(len(open)), "file with keys", "files with keys"), strings.Join(quoted, " ")))
}
