package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// NewCompletion prints the script that makes a shell complete.
func NewCompletion(a *App) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completions for a shell",
		Long: `Print the script that makes a shell complete commands, flags, bundles, and paths
inside a bundle. The packages install it; so does "make install". For bash it
needs the package bash-completion.`,
		Example: `  source <(purebundle completion bash)
  purebundle completion zsh > /usr/local/share/zsh/site-functions/_purebundle
  purebundle completion fish > ~/.config/fish/completions/purebundle.fish`,
		Args:      ArgsBetween(1, 1, "the name of a shell"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.Stdout)
			case "fish":
				return root.GenFishCompletion(a.Stdout, true)
			}
			return WithHint(Usagef("completion %s: unknown shell", args[0]), "the shells are bash, zsh and fish")
		},
	}
}

// CompleteDirectories completes directories: SOURCE and DEST.
func CompleteDirectories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// SpaceAfter lets the shell put a space after the only name that fits, unless that
// is a directory, after which more is to be typed.
func SpaceAfter(found []string) cobra.ShellCompDirective {
	if len(found) == 1 && !strings.HasSuffix(found[0], "/") {
		return cobra.ShellCompDirectiveNoFileComp
	}
	return cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// CompletionTime is how long a completion may ask S3.
const CompletionTime = 3 * time.Second
