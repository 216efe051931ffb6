// Package ami registers a bundle in Amazon's format, once it is in S3, as a
// machine image (AMI), and waits until the image can be used.
//
// It makes no bundles, uploads nothing, and does not launch, copy, share or
// deregister images. What EC2 checks, it checks too if that needs no
// request: names, lengths, forms.
//
// Source: the EC2 API reference, RegisterImage and DescribeImages, version
// 2016-11-15.
package ami
