package ami

import (
	"errors"

	"github.com/aws/smithy-go"

	"purebundle/chunk"
	"purebundle/chunk/awsapi"
)

// hints are what to do about errors of EC2 about images that mean nothing more
// anywhere else (API reference, "Error codes").
var hints = map[string]string{
	codeDuplicate:                  "an image of this account and region has that name: choose another, or deregister that one",
	"InvalidAMIName.Malformed":     "the name of an image has 3 to 128 letters, digits, spaces and ()[]./-'@_",
	"InvalidManifest":              "EC2 cannot read or use the manifest: it must be in Amazon's format, in a bucket of this region, and uploaded with the ACL aws-exec-read together with all parts",
	"InvalidAMIAttributeItemValue": "EC2 does not take one of the values; its message says which",
	"InvalidBlockDeviceMapping":    "check the devices: names once, ephemeralN, sizes not below those of the snapshots",
	"InvalidSnapshot.NotFound":     "check the snapshot: it must be in this region, and shared with this account if it is another's",
	"InvalidAKIID.NotFound":        "check the kernel: ids differ between regions",
	"InvalidAKIID.Malformed":       "the id of a kernel is aki-…",
	"InvalidARIID.NotFound":        "check the ramdisk: ids differ between regions",
	"InvalidARIID.Malformed":       "the id of a ramdisk is ari-…",
	"InvalidAMIID.Malformed":       "the id of an image is ami-…",
	"InvalidSnapshot.InUse":        "an image has it: deregister that first (aws ec2 deregister-image)",
	"OperationNotPermitted":        "it may be protected: aws ec2 disable-image-deregistration-protection ends that",
	"ResourceLimitExceeded":        "the account has as many images as it may: deregister some, or have the quota raised (Service Quotas, EC2, AMIs)",
	"TagPolicyViolation":           "the organization's tag policy does not allow one of the tags: its message says which",

	"InvalidLaunchTemplateId.NotFound":            "look at the id of the launch template, and at the region",
	"InvalidLaunchTemplateId.Malformed":           "the id of a launch template is lt-…",
	"InvalidLaunchTemplateName.NotFoundException": "look at the name of the launch template, and at the region",
}

// explain makes a *chunk.Error of EC2's error, with the hint that it has here.
func explain(op, path string, err error) error {
	api, isAPI := errors.AsType[smithy.APIError](err)
	err = awsapi.Explain(op, path, err)
	if e, ok := errors.AsType[*chunk.Error](err); ok && isAPI && hints[api.ErrorCode()] != "" {
		return &chunk.Error{Op: e.Op, Path: e.Path, Err: e.Err, Hint: hints[api.ErrorCode()]}
	}
	return err
}
