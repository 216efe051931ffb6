package create

import (
	"errors"
	"strings"
	"testing"

	"purebundle/cmd/purebundle/cli"
)

// stuck is an output that cannot clean up.
type stuck struct{}

func (stuck) Abort() error { return errors.New("cannot remove it") }

// Where a bundle was being replaced, nobody is told to delete that one.
func TestAbortHint(t *testing.T) {
	for _, force := range []bool{false, true} {
		r := &Run{App: &cli.App{Quiet: true}, Opt: Options{Dest: "s3://my-bucket/x", Prefix: "web", Force: force}}
		hint := cli.HintFor(r.abort(stuck{}, errors.New("failed")))
		if told := strings.Contains(hint, "purebundle delete"); told == force || hint == "" {
			t.Errorf("force %v: hint %q", force, hint)
		}
	}
}
