// Package amitest is a small EC2 for tests: what a machine image takes of the query
// API, on loopback. Snapshots are for another server to keep (Actions, Snapshot).
//
// It checks the signature of each request, its action, version and parameters
// against the documented API, and answers in EC2's XML. It does not read
// bundles: Server.Manifest may. It knows no permissions: Server.Fail gives
// whatever error a test needs.
//
// Source: the EC2 API reference, version 2016-11-15: RegisterImage,
// DescribeImages, DeregisterImage, CreateTags, "Error codes"; the signature, AWS Signature Version 4.
package amitest
