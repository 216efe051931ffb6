package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"purebundle/chunk"
)

func newCat(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "cat BUNDLE PATH",
		Short: "Print a file of the image, without joining it",
		Args:  argsBetween(2, 2, "BUNDLE and PATH"),
		RunE:  func(*cobra.Command, []string) error { return errors.ErrUnsupported },
	}
}

func verifyDeep(context.Context, *app, string, *chunk.Bundle) error { return errors.ErrUnsupported }
