package ebs

import (
	"errors"
	"net"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ebs/types"
	"github.com/aws/smithy-go"

	"purebundle/chunk/awsapi"
)

// kmsActions are what IAM and the policy of a key must allow for an encrypted snapshot.
const kmsActions = "kms:GenerateDataKeyWithoutPlaintext, kms:CreateGrant, kms:ReEncrypt*, kms:Decrypt and kms:DescribeKey"

// failedHint returns what to do about a snapshot that ended in state error, by what AWS says
// about it; "" if that tells nothing.
func failedHint(said string) string {
	if low := strings.ToLower(said); strings.Contains(low, "key") || strings.Contains(low, "kms") {
		return "the KMS key must be enabled, and IAM and the policy of the key must allow " + kmsActions
	}
	return ""
}

// hint returns what to do about an error that means something more with EBS than
// elsewhere, "" for others.
func (c *Client) hint(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound && strings.HasPrefix(dns.Name, "ebs.") {
		return "the region " + c.Region() + " has no EBS direct API, or there is no such region: name another (--region), and copy the snapshot there with aws ec2 copy-snapshot"
	}
	if denied, ok := errors.AsType[*types.AccessDeniedException](err); ok {
		switch denied.Reason {
		case types.AccessDeniedExceptionReasonDependencyAccessDenied:
			return "allow " + kmsActions + " on the KMS key to the user or role whose credentials these are; the account may encrypt by default (aws ec2 get-ebs-default-kms-key-id says with which key)"
		case types.AccessDeniedExceptionReasonUnauthorizedAccount:
			return "the snapshot is another account's: look at the credentials (aws sts get-caller-identity), or have it shared with this account"
		}
	}
	if _, ok := errors.AsType[*types.ServiceQuotaExceededException](err); ok {
		return "an account may have 100 pending snapshots: aws ec2 describe-snapshots --owner-ids self --filters Name=status,Values=pending lists them; delete those that nobody completes; and it has a quota of snapshots in a region: delete some; or have the quotas raised (Service Quotas, EBS)"
	}
	if missing, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		if missing.Reason == types.ResourceNotFoundExceptionReasonDependencyResourceNotFound {
			return "the KMS key is not there: it must be in the region " + c.Region() + ", enabled, and named by its ARN"
		}
		return "look at the id, at the region (" + c.Region() + ") and whose credentials these are"
	}
	if invalid, ok := errors.AsType[*types.ValidationException](err); ok {
		switch invalid.Reason {
		case types.ValidationExceptionReasonInvalidCustomerKey:
			return "the KMS key cannot be used: it must be symmetric, enabled and in the region " + c.Region() + ", and IAM must allow " + kmsActions
		case types.ValidationExceptionReasonInvalidTag:
			return "a tag has a key of 1 to 128 characters that does not begin with aws:, and a value of at most 256; 50 at most"
		case types.ValidationExceptionReasonWriteRequestTimeout:
			return "nothing was written to it for longer than its timeout: start again"
		}
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return ""
	}
	switch code := api.ErrorCode(); {
	case code == "InvalidSnapshot.NotFound":
		return "look at the id, at the region (" + c.Region() + ") and whose credentials these are"
	case code == "InvalidSnapshot.InUse":
		return "a machine image has it: deregister that first (aws ec2 deregister-image)"
	case strings.HasPrefix(code, "AccessDenied") || code == "UnauthorizedOperation":
		return "allow " + awsapi.Action(err) + " on " + awsapi.Resource(err, c.Region()) + " to the user or role whose credentials these are"
	}
	return ""
}
