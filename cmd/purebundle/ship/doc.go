// Package ship has the commands for bundles that go to S3 again and again: ship,
// with its templates of names and its --keep, and register, which makes a machine
// image of a bundle in Amazon's format.
//
// How the bundle is made is in packages create and ec2tools.
//
// # Words
//
//	template  a name with {fields} that are filled in for each run
//	token     one field of a template, or the text between two
//	shipped   of a bundle: made by this template, and in S3
//	stranger  a bundle that the template fits and that is not ours
//	keep      the number of shipped bundles that stay
//	losses    what a bundle lacks, by its manifest
package ship
