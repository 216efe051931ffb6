// Package awsapi is what all calls to AWS have in common: configuration from
// the SDK's standard chain, retries, connections that are cut when they stall,
// and errors that say what to change.
package awsapi
