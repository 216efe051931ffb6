// Package ec2 writes and reads Amazon's instance-store bundles: one image as a
// tar member, gzipped, encrypted with AES-128-CBC, cut into parts of 10 MiB, and
// a signed XML manifest that names them (version 2007-10-10; versions 3 and
// 2007-08-29 are read as well).
//
// The key and the initialisation vector are made here, and leave only encrypted
// with RSA: for the user, and for EC2. The plain ones are never an argument, a
// file or a string that a caller sees.
//
// What it does not do: build an image, talk to EC2 or S3, look at the dates or
// issuers of certificates. SHA-1 and PKCS #1 v1.5 are what the format demands.
//
// # Words
//
//	session  key and vector of one bundle
//	wrapped  a session, encrypted with RSA
//	part     10 MiB of the encrypted stream
//	image    the member of the archive: a file system
//	source   an image, and its ranges that are not zero
//	range    a run of bytes of an image
//	raw      of a bundle: in package chunk's own format
//	consume  remove raw parts once they are read
//	mapping  a name that a block device has in the machine
//	bundler  the program that made a bundle
package ec2
