package walker

// Tree holds what a walk found besides its entries, and opens the files that it met. Close it after use.
type Tree struct {
	Mounts     []Mount   // every mount below SOURCE, SOURCE's own first, with the decision
	Filtered   []Left    // secrets and machine identity that were left out or emptied
	Keys       []Left    // files in the tree that look like keys, and what they look like
	Unused     []string  // excludes and includes that changed nothing; Warnings has them, too
	Excluded   []Left    // left out by an exclude or a default; everything below went with it
	Unreadable []Problem // belongs in the tree, but could not be read; a directory among them was reported empty
	Vanished   []string  // paths that a directory listed and that were gone when looked at
	Warnings   []Warning
	Bundles    Bundles // left out; Excluded has their manifests
	Omitted    Omitted // how many more there are of each

	roots []*root // of the crossed mounts; SOURCE's own first
	spots *spot   // of SOURCE
	dirs  dirCache
}

// OutputRule is the rule of a directory of Options.LeaveOut.
const OutputRule = "output directory"

// Left is a path that was left out and the rule that did it.
type Left struct {
	Path  string
	Rule  string
	Bytes int64 // on disk, of what does not lie below Path and went with it
}

// Problem is a path that could not be read and why; errors.Is sees the errno.
type Problem struct {
	Path string
	UID  int64 // its owner; -1 if that is not known
	Err  error
}

// Warning is something the user should know although the walk went on. Equal texts are counted once.
type Warning struct {
	Path  string // where it was met first
	Text  string
	Count int      // paths that it applies to
	More  []string // of them after the first, up to 1,000 in all
}

// Unlisted returns how many paths it applies to that it does not name.
func (w *Warning) Unlisted() int { return w.Count - 1 - len(w.More) }
