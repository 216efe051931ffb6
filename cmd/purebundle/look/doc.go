// Package look has the commands that take a bundle as it is: verify, ls, cat,
// unbundle, upload, download, delete; and mounts, which looks at a tree.
//
// Bundles in Amazon's format have commands of their own, in package ec2tools.
package look
