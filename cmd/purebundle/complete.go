package main

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"purebundle/chunk"
	"purebundle/chunk/s3"
)

// newCompletion prints the script that makes a shell complete.
func newCompletion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print the completions for a shell",
		Long: `Print the script that makes a shell complete commands, flags, bundles, and paths
inside a bundle. The packages install it; so does "make install". For bash it
needs the package bash-completion.`,
		Example: `  source <(purebundle completion bash)
  purebundle completion zsh > /usr/local/share/zsh/site-functions/_purebundle
  purebundle completion fish > ~/.config/fish/completions/purebundle.fish`,
		Args:      argsBetween(1, 1, "the name of a shell"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return withHint(usagef("completion %s: unknown shell", args[0]), "the shells are bash, zsh and fish")
		},
	}
}

// completeDirectories completes directories: SOURCE and DEST.
func completeDirectories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeBundles completes BUNDLE, a directory or a manifest, on disk or in S3,
// and after it whatever files there are.
func (a *app) completeBundles(place *s3Config) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		switch {
		case s3.IsURL(word):
			return a.namesInS3(place, word)
		case len(args) > 0:
			return nil, cobra.ShellCompDirectiveDefault
		}
		return localBundles(word)
	}
}

// namesInS3 completes what comes after the bucket: directories and manifests.
func (a *app) namesInS3(place *s3Config, word string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	dir, base, _ := cutLast(word, "/")
	loc, err := s3.ParseLocation(dir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	store, err := place.open(ctx, a, loc)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	dirs, _ := store.Dirs(ctx) // what cannot be listed is not offered
	for _, name := range dirs {
		if strings.HasPrefix(name, base) {
			found = append(found, dir+"/"+name+"/")
		}
	}
	objects, _ := store.List(ctx)
	for _, o := range objects {
		if strings.HasPrefix(o.Name, base) && strings.HasSuffix(o.Name, chunk.ManifestName("")) {
			found = append(found, dir+"/"+o.Name)
		}
	}
	return found, spaceAfter(found)
}

func localBundles(word string) ([]string, cobra.ShellCompDirective) {
	dir, base := filepath.Split(word)
	entries, err := os.ReadDir(filepath.Join(".", dir))
	if filepath.IsAbs(word) {
		entries, err = os.ReadDir(dir)
	}
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var found []string
	for _, e := range entries {
		switch {
		case !strings.HasPrefix(e.Name(), base) || strings.HasPrefix(e.Name(), ".") && base == "":
		case e.IsDir():
			found = append(found, dir+e.Name()+"/")
		case strings.HasSuffix(e.Name(), chunk.ManifestName("")):
			found = append(found, dir+e.Name())
		}
	}
	return found, spaceAfter(found)
}

// spaceAfter lets the shell put a space after the one name that is left, unless
// that is a directory, where more is to be typed.
func spaceAfter(found []string) cobra.ShellCompDirective {
	if len(found) == 1 && !strings.HasSuffix(found[0], "/") {
		return cobra.ShellCompDirectiveNoFileComp
	}
	return cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// maxCompletions is how many names a completion offers.
const maxCompletions = 1000

// completionTime is how long a completion may ask S3.
const completionTime = 3 * time.Second

// completeInside completes BUNDLE, and after it paths inside the image.
func (a *app) completeInside(place *s3Config) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return a.completeBundles(place)(cmd, args, word)
		}
		return a.insideNames(cmd, place, args, word)
	}
}

func (a *app) insideNames(cmd *cobra.Command, place *s3Config, args []string, word string) ([]string, cobra.ShellCompDirective) {
	prefix, _ := cmd.Flags().GetString("prefix")
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	fs, err := a.openInside(ctx, args[0], prefix, place)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer fs.close()
	dir, base := path.Split(word)
	n, err := fs.Resolve(dir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if dir == "" {
		dir = "/"
	}
	var found []string
	for e, err := range fs.ReadDir(n) {
		if err != nil || len(found) == maxCompletions {
			break
		}
		if strings.HasPrefix(e.Name, base) && printable(e.Name) == e.Name {
			name := dir + e.Name
			if e.Type == 2 {
				name += "/"
			}
			found = append(found, name)
		}
	}
	return found, spaceAfter(found)
}
