package awsapi

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/aws/smithy-go"

	"purebundle/chunk"
)

// Explain makes a *chunk.Error of an error of the SDK: the cause in one line,
// and what to change about it. What is not there is fs.ErrNotExist. An err that
// is a *chunk.Error already, or the end of a context, passes unchanged.
func Explain(op, path string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if known, ok := errors.AsType[*chunk.Error](err); ok {
		return known
	}
	text, hint := reason(err)
	return &chunk.Error{Op: op, Path: path, Err: cause{text, err}, Hint: hint}
}

// cause is an error of the SDK in other words.
type cause struct {
	text string
	err  error
}

func (c cause) Error() string { return c.text }

// Unwrap returns the error of the SDK.
func (c cause) Unwrap() error { return c.err }

// Is returns true for fs.ErrNotExist if the service says that something is not there.
func (c cause) Is(target error) bool {
	if target != fs.ErrNotExist {
		return false
	}
	api, ok := errors.AsType[smithy.APIError](c.err)
	return ok && (api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "NotFound")
}

// reason returns what went wrong, and what to do about it.
func reason(err error) (text, hint string) {
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return noCredentials(c)
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && status(err) != 0 {
		return answered(err, api)
	}
	if stall, ok := errors.AsType[*StallError](err); ok {
		return stall.Error(), "it stood still each time: try again later, or look at the network between"
	}
	if text, hint := reach(err); text != "" {
		return text, hint
	}
	if strings.Contains(strings.ToLower(err.Error()), "region") && status(err) == 0 {
		return "no region is set", "name the region, such as eu-west-1, or set AWS_REGION"
	}
	if Temporary(err) {
		return short(err), "it broke off each time: try again later, or look at the network between"
	}
	return short(err), ""
}

// reach returns what to say if something stands between, or if the server is not the
// one that was meant; text is "" for other errors.
func reach(err error) (text, hint string) {
	if p, ok := errors.AsType[*pageError](err); ok {
		return p.Error(), p.hint()
	}
	if errors.Is(err, http.ErrSchemeMismatch) {
		return "the server speaks plain HTTP", "write the endpoint with http://, or give the port that has TLS"
	}
	if text, hint := proxied(err); text != "" {
		return text, hint
	}
	return unreachable(err)
}

// unreachable returns what to say of a server that gave no answer at all; text is ""
// for other errors.
func unreachable(err error) (text, hint string) {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound && (strings.HasPrefix(dns.Name, "ec2.") || strings.HasPrefix(dns.Name, "sts.")):
		return "no such host: " + dns.Name, "there is no such region, or it does not have this service: look at the region"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host: " + dns.Name, "look at the bucket's name, the region and the endpoint; a server of one's own often needs path style"
	case errors.As(err, &dns):
		return short(err), "the name could not be looked up: is there a network?"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused" + dialledAt(err), "nothing answers at that endpoint: look at its port, or start the server"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return short(err), "is there a network?"
	case untrusted(err):
		return "cannot trust the server: " + innermost(err).Error(), "name the CA file in AWS_CA_BUNDLE, or use the name that the certificate is for; http:// where the server has no TLS"
	case dialed(err):
		return "no connection: " + short(err), "nothing answers at that endpoint: look at the network, firewalls and the endpoint"
	}
	return "", ""
}

// dialledAt returns " by ADDRESS" of a connection that was tried, "" if that is not known.
func dialledAt(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Addr != nil {
		return " by " + op.Addr.String()
	}
	return ""
}

// expecting finds the right region in the text of AuthorizationHeaderMalformed.
var expecting = regexp.MustCompile(`expecting '([a-z0-9-]+)'`)

// answered returns what to say of an answer of the service.
func answered(err error, api smithy.APIError) (text, hint string) {
	code, said := api.ErrorCode(), api.ErrorMessage()
	if strings.Contains(said, "Signature expired") || strings.Contains(said, "Signature not yet current") {
		return skew(err), "set the clock (timedatectl set-ntp true)"
	}
	if hint, ok := hints[code]; ok {
		return sentence(code, said), hint
	}
	switch code {
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "MovedPermanently", "TemporaryRedirect", "IllegalLocationConstraintException":
		region := answer(err).Get("x-amz-bucket-region")
		if m := expecting.FindStringSubmatch(said); m != nil {
			region = m[1]
		}
		if region != "" {
			return "the bucket is in another region: " + region, "name that region, or set AWS_REGION=" + region
		}
		return sentence(code, said), "the bucket is in another region, or the endpoint is not the bucket's: name its region"
	case "AccessDenied", "Forbidden", "UnauthorizedOperation", "AllAccessDisabled", "AccessDeniedException":
		where := "there"
		if on := Resource(err, "*"); on != "" {
			where = "on " + on
		}
		return sentence(code, said), "allow " + action(err) + " " + where + " to the user or role whose credentials these are"
	case "InvalidSignatureException":
		return sentence(code, said), hints["SignatureDoesNotMatch"]
	case "RequestTimeTooSkewed", "RequestExpired":
		return skew(err), "set the clock (timedatectl set-ntp true)"
	}
	switch status(err) {
	case http.StatusMovedPermanently:
		if region := answer(err).Get("x-amz-bucket-region"); region != "" {
			return "the bucket is in another region: " + region, "name that region, or set AWS_REGION=" + region
		}
	case http.StatusForbidden:
		return sentence(code, said), "allow " + action(err) + " there, or look at the credentials"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return sentence(code, said), "it was like that each time: try again later, or with fewer requests at once"
	}
	if status(err) >= 500 {
		return sentence(code, said), "the server failed each time: try again later"
	}
	return sentence(code, said), ""
}

// hints say what to do about codes that always mean the same.
var hints = map[string]string{
	"NoSuchBucket":                  "look at the bucket's name, or make the bucket",
	"InvalidBucketName":             "a bucket's name has 3 to 63 lower-case letters, digits, dots and hyphens",
	"BucketAlreadyExists":           "someone else has a bucket of that name: choose another",
	"NoSuchKey":                     "look at the directory and the names in it",
	"InvalidAccessKeyId":            "the access key is unknown there: look at AWS_ACCESS_KEY_ID or the profile, and that endpoint and keys belong together",
	"XAdminUserNotFound":            "the access key is unknown there: look at AWS_ACCESS_KEY_ID or the profile, and that endpoint and keys belong together", // versitygw
	"InvalidClientTokenId":          "the access key is unknown there: look at AWS_ACCESS_KEY_ID or the profile",
	"AuthFailure":                   "the credentials are not valid there: look at the access key and the clock, and whether the account has enabled the region (aws account get-region-opt-status)",
	"Blocked":                       "the account is blocked: AWS Support can tell why",
	"PendingVerification":           "AWS is still looking at the account for this region: try again in some hours",
	"SnapshotLimitExceeded":         "the account has as many snapshots as it may: delete some, or have the quota raised (Service Quotas, EBS)",
	"SignatureDoesNotMatch":         "the secret access key does not belong to the access key, or a proxy changes requests",
	"ExpiredToken":                  "the session is over: get new credentials (aws sso login, aws sts assume-role …)",
	"ExpiredTokenException":         "the session is over: get new credentials (aws sso login, aws sts assume-role …)",
	"UnrecognizedClientException":   "the access key is unknown there: look at AWS_ACCESS_KEY_ID or the profile, and that the region is one that the account has",
	"InvalidToken":                  "AWS_SESSION_TOKEN does not belong to the access key: get new credentials",
	"TokenRefreshRequired":          "get new credentials",
	"AccountProblem":                "the account has a problem that only AWS Support can tell",
	"NotSignedUp":                   "the account does not have S3 yet",
	"OptInRequired":                 "the account does not have this service or region yet",
	"AccessControlListNotSupported": "the bucket takes no ACLs: set its object ownership to \"bucket owner preferred\", or leave the ACL out; the ACL bucket-owner-full-control is taken all the same, and a bucket policy must then let EC2 read",
	"InvalidStorageClass":           "such as STANDARD, STANDARD_IA, ONEZONE_IA, INTELLIGENT_TIERING",
	"KMS.NotFoundException":         "there is no such key in the bucket's region",
	"KMS.DisabledException":         "enable the key, or name another",
	"InvalidObjectState":            "it is archived (Glacier): restore it first",
	"EntityTooLarge":                "the server takes no objects of 10 MiB: raise its limit",
	"QuotaExceeded":                 "the server's quota is used up: make room there",
	"XMinioStorageFull":             "the server is full: make room there",
	"InsufficientStorage":           "the server is full: make room there",
	"NotImplemented":                "this server does not know that request: leave out the option that asks for it",
	"ServerSideEncryptionConfigurationNotFoundError": "leave encryption out",
}

// maxSaid is the longest text of a service that is passed on, in bytes.
const maxSaid = 300

// oneLine returns what somebody else said without what would disturb a terminal.
func oneLine(said string) string {
	said = strings.Join(strings.FieldsFunc(said, func(r rune) bool { return r < ' ' || r == 0x7f || r == ' ' }), " ")
	said = strings.TrimSuffix(strings.ToValidUTF8(said, "?"), ".")
	if len(said) > maxSaid {
		said = strings.ToValidUTF8(said[:maxSaid], "") + "…"
	}
	return said
}

// sentence returns what the service said on one line.
func sentence(code, said string) string {
	said = oneLine(said)
	switch {
	case said == "" || said == code || said == unknownCode:
		return code
	case code == unknownCode:
		return said
	}
	return code + ": " + said
}

// action returns the IAM action that an operation needs.
func action(err error) string {
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return "this action"
	}
	switch op.OperationName {
	case "HeadObject", "GetObject", "GetObjectAttributes":
		return "s3:GetObject (and s3:ListBucket, without which a missing object counts as forbidden)"
	case "ListObjectsV2", "HeadBucket":
		return "s3:ListBucket"
	case "DeleteObjects", "DeleteObject":
		return "s3:DeleteObject"
	case "CopyObject":
		return "s3:GetObject and s3:PutObject"
	case "PutObject":
		return "s3:PutObject (s3:PutObjectAcl with an ACL, s3:PutObjectTagging with tags, kms:GenerateDataKey with a key)"
	}
	return strings.ToLower(op.ServiceID) + ":" + op.OperationName
}

// Resource returns on which resources IAM must allow the operation of an error, as far as
// it is one of EC2's or EBS's for snapshots and images in a region; else "".
func Resource(err error, region string) string {
	op, ok := errors.AsType[*smithy.OperationError](err)
	if !ok || op.ServiceID != "EC2" && op.ServiceID != "EBS" {
		return ""
	}
	image, snapshot := "arn:aws:ec2:"+region+"::image/*", "arn:aws:ec2:"+region+"::snapshot/*"
	switch {
	case strings.HasPrefix(op.OperationName, "Describe"): // for which there are no others
		return "*"
	case op.OperationName == "RegisterImage", op.OperationName == "CreateTags":
		return image + " and " + snapshot
	case op.OperationName == "DeregisterImage":
		return image
	}
	return snapshot
}

// Action returns the IAM action that the operation of an error needs, such as
// "ec2:RegisterImage".
func Action(err error) string { return action(err) }

// skew says how far the clock is off, if the answer tells the time.
func skew(err error) string {
	server, perr := http.ParseTime(answer(err).Get("Date"))
	if perr != nil {
		return "the clock of this machine is wrong"
	}
	off := time.Until(server).Round(time.Second)
	if off < 0 {
		return "the clock of this machine is " + (-off).String() + " ahead of the server's"
	}
	return "the clock of this machine is " + off.String() + " behind the server's"
}

// HasCode says whether err is AWS's answer with that code, such as "NoSuchBucket".
func HasCode(err error, code string) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && api.ErrorCode() == code
}
