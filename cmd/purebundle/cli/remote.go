package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// environment lists what the SDK reads where the flags say nothing.
var environment = [][2]string{
	{"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN", "keys"},
	{"AWS_PROFILE, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE", "the shared files, which somebody else than root or this user must not be able to write"},
	{"AWS_REGION", "the region; without it, the profile's, or that of the instance"},
	{"AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_EC2", "another server that speaks S3 or EC2"},
	{"AWS_CA_BUNDLE", "certificates to trust"},
	{"AWS_MAX_ATTEMPTS", "tries of a request, 10 unless set; once 100 MiB have been moved, --patience says for how long it is tried beyond them"},
	{"AWS_REQUEST_CHECKSUM_CALCULATION, AWS_RESPONSE_CHECKSUM_VALIDATION", "if when_required, Content-MD5 guards what is sent instead of SHA-256, and S3 is not asked for the checksum of what it has; so by itself if a server refuses checksums"},
	{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "proxies; never for link-local addresses"},
}

// Actions of IAM, for the bucket and for the objects in it.
const (
	iamRead  = "s3:ListBucket, s3:GetObject"
	iamWrite = iamRead + ", s3:PutObject, s3:DeleteObject; with --acl s3:PutObjectAcl, with --tag s3:PutObjectTagging; with --sse aws:kms kms:GenerateDataKey and kms:Decrypt on the key"
	iamEC2   = "ec2:RegisterImage, ec2:DescribeImages; with --tag ec2:CreateTags"
)

// iam lists what IAM must allow, by command.
var iam = map[string]string{
	"ls": iamRead, "cat": iamRead, "verify": iamRead, "unbundle": iamRead, "download": iamRead,
	"bundle": iamWrite, "ship": iamWrite + "; with --register " + iamEC2,
	"upload":          strings.Replace(iamWrite, "s3:DeleteObject", "and where a bundle or its remains are replaced s3:DeleteObject", 1),
	"delete":          iamRead + ", s3:DeleteObject",
	"register":        iamRead + ", " + iamEC2,
	"download-bundle": iamRead, "delete-bundle": iamRead + ", s3:DeleteObject; with --clear s3:DeleteBucket",
	"upload-bundle": iamRead + ", s3:PutObject, s3:PutObjectAcl, s3:DeleteObject; for a bucket that it makes s3:CreateBucket, s3:PutBucketOwnershipControls",
}

// writeRemote writes what a command that may talk to AWS reads of the environment, and
// what it must be allowed.
func writeRemote(w io.Writer, cmd *cobra.Command) {
	if !remote(cmd) {
		return
	}
	fmt.Fprint(w, ".SH ENVIRONMENT\nWhere the flags say nothing, and there is a place in S3, the environment does, then ~/.aws, then the role of the instance.\n")
	for _, e := range environment {
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", roff(e[0]), roff(e[1]))
	}
	fmt.Fprintf(w, ".SH IAM\nFor a place in S3, on the bucket and on what is in it: %s.\n", roff(iam[cmd.Name()]))
}

// remote returns true if a command has flags about S3.
func remote(cmd *cobra.Command) bool {
	found := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) { found = found || GroupOf(f) == s3Group })
	return found
}

// statuses returns the exit statuses that a command has: of an image that lacks
// something only those that make one tell.
func statuses(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() || cmd.Flags().Lookup("strict") != nil || cmd.Name() == "bundle-vol" {
		return exitStatuses
	}
	text, _, _ := strings.Cut(exitStatuses, "\n  3")
	return text
}
