package walker

import "purebundle/walker/filter"

// Options choose what of SOURCE is walked. The zero value is what a bundle of a root file system wants.
//
// Patterns are those of package pattern, anchored at SOURCE. An include wins over everything but a refused mount, a mount that is
// left out, and LeaveOut.
type Options struct {
	OneFileSystem bool     // cross no mount but those in Cross, and no border of a btrfs subvolume
	Snapshots     bool     // take what is in read-only btrfs snapshots, and in all of snapper's
	Bundles       bool     // take older bundles: a manifest whose parts lie beside it
	Cross         []string // mount points below SOURCE to cross although the policy or a default leaves them out; never refused mounts
	Apart         []string // mount points that the output has as partitions of their own: left out unless Cross names them
	Own           []string // mount points that the output has as file systems of their own: crossed; the directory that each is mounted on is an entry too, see Entry.Under
	CrossAll      bool     // cross every mount that Cross could name and no rule, OneFileSystem or mount around it leaves out

	// KeepPrivileges lists mount points below SOURCE, "/" for its own mount, whose set-ID bits, capabilities and device nodes are kept
	// although the mount is nosuid or nodev.
	KeepPrivileges []string

	Exclude []string // patterns of what to leave out, with everything below it
	Include []string // patterns of what to keep although an exclude, a default or the filter drops it

	NoDefaultExcludes bool // keep the contents of /tmp, /run, /mnt and the other directories emptied by default

	Filter filter.Choice // which secrets, histories, logs and what of the machine's identity to leave out

	Secret   []string // existing files that never enter, whatever an include says, recognised by device and inode under every name
	LeaveOut []string // existing directories whose contents never enter, recognised by device and inode wherever they show up

	// Opened, if not nil, is called once all crossed mounts are open, before anything below them is read. From then on the walk needs
	// CAP_DAC_READ_SEARCH to read what is other people's, CAP_SYS_ADMIN for the attributes trusted.*, and, if Tree.TouchesTimes says so,
	// CAP_FOWNER; after Walk has returned, Tree.Open needs the first and the last. An error ends the walk.
	Opened func(*Tree) error

	mode mode // how to guard mount borders; tests force one
}
