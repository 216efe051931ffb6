package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"purebundle/chunk"
)

// completeDirectories completes directories: SOURCE and DEST.
func completeDirectories(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeBundles completes BUNDLE, a directory or a manifest, and after it
// whatever files there are.
func completeBundles(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
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
	return found, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}
