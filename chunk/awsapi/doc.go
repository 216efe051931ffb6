// Package awsapi is what all calls to AWS have in common: configuration from
// the SDK's standard chain, retries, connections that are cut when they stall,
// and errors that say what to change.
//
// It does not know any service. The source is the documentation of AWS SDK for
// Go v2, and "Error responses" of the references of Amazon S3 and EC2.
//
// # Words
//
//	try       one request; a call may take several
//	attempt   a try that failed, with which request it was
//	stall     a connection on which nothing moves
//	patience  for how long tries go on once much was moved
//	shared    of a file: ~/.aws/config or credentials
package awsapi
