// Package ship has the commands for bundles that go to S3 again and again: ship,
// with its templates of names and its --keep, and register, which makes a machine
// image of a bundle in Amazon's format.
//
// How the bundle is made is in packages create and ec2tools.
package ship
