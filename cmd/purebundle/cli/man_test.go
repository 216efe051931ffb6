package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"purebundle/cmd/purebundle/words"
)

// The manual of a command about S3, and of no other, says what it reads of the
// environment and what IAM must allow.
func TestRemoteSections(t *testing.T) {
	for name, want := range map[string]string{"verify": "s3:GetObject", "mounts": ""} {
		cmd := &cobra.Command{Use: name, Short: "x", Run: func(*cobra.Command, []string) {}}
		if want != "" {
			new(S3).ReadFlags(cmd)
		}
		var page bytes.Buffer
		WriteMan(&page, "1", cmd)
		for _, part := range []string{".SH ENVIRONMENT\n", ".SH IAM\n", "AWS_REGION", "s3:GetObject"} {
			if strings.Contains(page.String(), part) != (want != "") {
				t.Errorf("%s: %q: %v", name, part, want == "")
			}
		}
		if strings.Contains(page.String(), words.Roff("  3  done")) {
			t.Errorf("%s has status 3", name)
		}
	}
}
