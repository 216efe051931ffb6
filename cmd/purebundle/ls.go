package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "ls [flags] BUNDLE [PATH]",
		Short: "List a directory of the image, without joining it",
		Args:  argsBetween(1, 2, "BUNDLE"),
		RunE:  func(*cobra.Command, []string) error { return errors.ErrUnsupported },
	}
}
