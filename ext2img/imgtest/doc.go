// Package imgtest holds the oracles that tests of file system images share:
// e2fsck, kernel mounts through loop devices, rsync's dry run, a full
// comparison of two trees, and makers of random and of torturous trees.
//
// It is for tests only and changes nothing but the directories it is given.
// It knows nothing of how an image was made.
package imgtest
