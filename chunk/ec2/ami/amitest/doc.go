// Package amitest is a small EC2 for tests: RegisterImage and DescribeImages of
// the query API, on loopback.
//
// It checks the signature of each request, its action, version and parameters
// against the documented API, and answers in EC2's XML. It does not read
// bundles: Server.Manifest may. It knows no permissions: Server.Fail gives
// whatever error a test needs.
//
// Source: the EC2 API reference, version 2016-11-15: RegisterImage,
// DescribeImages, "Error codes"; the signature, AWS Signature Version 4.
package amitest
