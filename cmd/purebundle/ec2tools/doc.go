// Package ec2tools has the commands of "purebundle ec2", which take the options
// of Amazon's seven tools, and verify.
//
// Here are options and what is printed; the format itself is in chunk/ec2, the
// making of the image in package create.
package ec2tools
