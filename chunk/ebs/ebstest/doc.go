// Package ebstest is a small EBS for tests: the EBS direct API and what of EC2 goes
// with it, on loopback.
//
// It judges strictly: the signature of each request, its path, its parameters and
// their forms, the SHA-256 of each block, the count and the digest of all blocks. A
// block that was never put reads as zeros in what becomes of a snapshot that is not
// encrypted, and as random bytes in one that is. It knows no permissions and no keys:
// Server.Fail gives whatever error a test needs.
//
// Source: the EBS direct API reference, version 2019-11-02, and the user guide, "Use
// EBS direct APIs"; the EC2 API reference, version 2016-11-15.
package ebstest
