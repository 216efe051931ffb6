// Package s3 keeps bundles of package chunk in S3, or in what speaks its API:
// parts go there and come from there without a disk in between.
package s3
