package look

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"purebundle/chunk"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/words"
)

// completeBundles completes BUNDLE, a directory or a manifest, on disk or in S3,
// and after it whatever files there are.
func completeBundles(a *cli.App, place *cli.S3) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		switch {
		case s3.IsURL(word):
			return namesInS3(a, place, word)
		case len(args) > 0:
			return nil, cobra.ShellCompDirectiveDefault
		}
		return localBundles(word)
	}
}

// namesInS3 completes what comes after the bucket: directories and manifests.
func namesInS3(a *cli.App, place *cli.S3, word string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(context.Background(), cli.CompletionTime)
	defer cancel()
	dir, base, _ := cli.CutLast(word, "/")
	loc, err := s3.ParseLocation(dir)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	store, err := place.Open(ctx, a, loc)
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
	return found, cli.SpaceAfter(found)
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
	return found, cli.SpaceAfter(found)
}

// maxCompletions is how many names a completion offers.
const maxCompletions = 1000

// completeInside completes BUNDLE, and after it paths inside the image.
func completeInside(a *cli.App, place *cli.S3) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return completeBundles(a, place)(cmd, args, word)
		}
		return insideNames(a, cmd, place, args, word)
	}
}

func insideNames(a *cli.App, cmd *cobra.Command, place *cli.S3, args []string, word string) ([]string, cobra.ShellCompDirective) {
	prefix, _ := cmd.Flags().GetString("prefix")
	ctx, cancel := context.WithTimeout(context.Background(), cli.CompletionTime)
	defer cancel()
	fs, err := openInside(ctx, a, args[0], prefix, place)
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
	for e, err := range n.FS.ReadDir(n.Inode) {
		if err != nil || len(found) == maxCompletions {
			break
		}
		if strings.HasPrefix(e.Name, base) && words.Printable(e.Name) == e.Name {
			name := dir + e.Name
			if e.Type == 2 {
				name += "/"
			}
			found = append(found, name)
		}
	}
	return found, cli.SpaceAfter(found)
}
