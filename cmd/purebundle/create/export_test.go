package create

import (
	"context"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/progress"
	"purebundle/walker/survey"
)

// BundleDisk does what "bundle --disk" does on a machine that a test tells of: the kernel
// that runs it may have no partitions.
func BundleDisk(ctx context.Context, a *cli.App, opt Options, m *survey.Machine) error {
	if err := cannot(m); err != nil {
		return err
	}
	if opt.Base != "" {
		if err := LikeBase(ctx, a, &opt); err != nil {
			return err
		}
	}
	d, err := openDisk(&opt, m)
	if err != nil {
		return err
	}
	defer d.Close()
	opt.Disk = d
	d.Options(&opt.Walk)
	return bundle(ctx, a, opt, progress.None)
}
