package cli

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/progress"
)

// ProgressFlag adds --progress.
func ProgressFlag(f *pflag.FlagSet, mode *progress.Mode) {
	f.Var(mode, "progress", "how to show progress: auto, bar, plain, json or none")
}

// CompleteProgress completes the values of --progress.
func CompleteProgress(cmd *cobra.Command) {
	_ = cmd.RegisterFlagCompletionFunc("progress", cobra.FixedCompletions(
		[]string{"auto", "bar", "plain", "json", "none"}, cobra.ShellCompDirectiveNoFileComp))
}
