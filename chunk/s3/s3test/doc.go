// Package s3test holds what tests of S3 share: a real S3 server on loopback,
// and a proxy that stands in front of it and breaks what passes.
//
// It is for tests and benchmarks only. The server is of one of several makes: an
// object is a file below Server.Dir with each. None stands for everything S3 does:
// no storage classes, no KMS, no regions.
//
// Sources: github.com/versity/versitygw, github.com/rclone/rclone.
package s3test
