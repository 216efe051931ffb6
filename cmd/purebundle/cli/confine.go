package cli

import (
	"context"

	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/confine"
)

// Confine gives up all power of the process but rest, if the process is ours. What
// the kernel or a container refuses to take is said with -v: the run is good
// without.
func (a *App) Confine(rest confine.Rest) {
	if !a.OwnProcess {
		return
	}
	if err := confine.To(rest); err != nil && a.Verbose {
		a.Say("note: power that could not be given up: " + err.Error())
	}
}

// Keep gives up all capabilities but those in list, as Confine does.
func (a *App) Keep(list ...confine.Capability) {
	if !a.OwnProcess {
		return
	}
	if err := confine.Keep(list...); err != nil && a.Verbose {
		a.Say("note: capabilities that could not be given up: " + err.Error())
	}
}

// Remote returns rest with what S3 takes, and credentials for it, which a program
// may have to be run for again and again. Tokens may lie in anybody's file.
func (c *S3) Remote(ctx context.Context, rest confine.Rest) confine.Rest {
	rest.Network = true
	rest.Exec = !awsapi.Alone(ctx, c.Profile)
	rest.Capabilities = append(rest.Capabilities, confine.ReadSearch)
	return rest
}

// Reading returns what it takes to read BUNDLE.
func (c *S3) Reading(ctx context.Context, path string) confine.Rest {
	if s3.IsURL(path) || ebs.IsPlace(path) {
		return c.Remote(ctx, confine.Rest{})
	}
	return confine.Rest{Capabilities: confine.ForReading(path)}
}
