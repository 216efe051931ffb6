package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/cmd/purebundle/words"
)

// variable is what is read of the environment if the flags do not say it.
type variable struct {
	names, what string
	flag        string // commands that have this flag read it
}

var environment = []variable{
	{"AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN", "keys", "endpoint-url"},
	{"AWS_DELEGATION_TOKEN", "the session token that goes with --access-key and --secret-key, without --delegation-token", "delegation-token"},
	{"AWS_PROFILE, AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE", "the shared files, which somebody else than root or this user must not be able to write", "endpoint-url"},
	{"AWS_REGION", "the region; without it, the profile's, or that of the instance", "endpoint-url"},
	{"AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3", "another server that speaks S3", "endpoint-url"},
	{"AWS_ENDPOINT_URL_EBS, AWS_ENDPOINT_URL_EC2", "other servers that speak EBS and EC2; AWS_ENDPOINT_URL is taken for both", knowsEBS},
	{"AWS_CA_BUNDLE", "certificates to trust", "endpoint-url"},
	{"AWS_MAX_ATTEMPTS", "tries of a request, 10 unless set; once 100 MiB have been moved, --patience says for how long it is tried beyond them", "endpoint-url"},
	{"AWS_REQUEST_CHECKSUM_CALCULATION", "if when_required, Content-MD5 guards what is sent instead of SHA-256; so by itself if a server refuses checksums", "acl"},
	{"AWS_RESPONSE_CHECKSUM_VALIDATION", "if when_required, S3 is not asked for the checksum of what it has", "endpoint-url"},
	{"HTTPS_PROXY, HTTP_PROXY, NO_PROXY", "proxies; never for link-local addresses", "endpoint-url"},
	{"SOURCE_DATE_EPOCH", "the default of --time", "time"},
	{"STATE_DIRECTORY", "the directory of the journal for --resume and EBS, without --journal; systemd sets it", "journal"},
	{"TMPDIR", "where the bundle is made without --destination, see there", "user"},
	{"EC2_AMITOOL_HOME, EC2_HOME", "where EC2's certificate is looked for first, without --ec2cert", "ec2cert"},
	{"GOMEMLIMIT", "the memory that the run may take, such as 8GiB; unless set, three quarters of what machine and control group have left", "size"},
}

// knowsEBS stands for a flag that commands have which take places in EBS.
const knowsEBS = "ebs:"

// Actions of IAM, for the bucket and for the objects in it.
const (
	iamRead  = "s3:ListBucket, s3:GetObject"
	iamWrite = iamRead + ", s3:PutObject, s3:DeleteObject; with --acl s3:PutObjectAcl, with --tag s3:PutObjectTagging; with --sse aws:kms kms:GenerateDataKey and kms:Decrypt on the key"
	iamStore = "; with --register --instance-store ec2:RegisterImage and ec2:DescribeImages on *, and ec2:CreateTags with --tag"
)

// Actions of IAM, for snapshots and images.
const (
	iamSnapshots = " on arn:aws:ec2:REGION::snapshot/*"
	iamReadEBS   = "ebs:ListSnapshotBlocks, ebs:GetSnapshotBlock" + iamSnapshots + " and ec2:DescribeSnapshots on *, and of an encrypted one kms:Decrypt on its key"
	iamWriteEBS  = "ebs:StartSnapshot, ebs:PutSnapshotBlock, ebs:CompleteSnapshot, ec2:DeleteSnapshot, ec2:CreateTags" + iamSnapshots + " and ec2:DescribeSnapshots on *; " +
		"where it is encrypted, by --encrypt, --kms-key-id or the account's default, " + iamKMS + " on the key"
	iamKMS   = "kms:GenerateDataKeyWithoutPlaintext, kms:CreateGrant, kms:ReEncrypt*, kms:Decrypt and kms:DescribeKey"
	iamImage = "ec2:RegisterImage, ec2:CreateTags" + iamSnapshots + " and arn:aws:ec2:REGION::image/*, and ec2:DescribeImages on *"
)

// iam lists what IAM must allow, by command.
var iam = map[string]string{
	"doctor": "s3:ListBucket", "ls": iamRead, "cat": iamRead, "verify": iamRead, "unbundle": iamRead, "download": iamRead,
	"bundle": iamWrite, "ship": iamWrite + iamStore,
	"upload":          strings.Replace(iamWrite, "s3:DeleteObject", "and where a bundle or its remains are replaced s3:DeleteObject", 1),
	"delete":          iamRead + ", s3:DeleteObject",
	"register":        iamRead + ", and ec2:RegisterImage, ec2:DescribeImages and, with --tag, ec2:CreateTags on *",
	"download-bundle": iamRead, "delete-bundle": iamRead + ", s3:DeleteObject; with --clear s3:DeleteBucket",
	"upload-bundle": iamRead + ", s3:PutObject, s3:PutObjectAcl, s3:DeleteObject; for a bucket that it makes s3:CreateBucket, s3:PutBucketOwnershipControls",
}

// iamEBS lists what IAM must allow for a place in EBS, by command.
var iamEBS = map[string]string{
	"doctor": "ebs:ListSnapshotBlocks" + iamSnapshots + " and ec2:DescribeSnapshots on *",
	"ls":     iamReadEBS, "cat": iamReadEBS, "verify": iamReadEBS, "unbundle": iamReadEBS, "download": iamReadEBS,
	"bundle": iamWriteEBS + "; with --base ebs:… " + iamReadEBS, "upload": iamWriteEBS,
	"register": "for a snapshot " + iamReadEBS + "; for a bundle " + iamWriteEBS + "; for the image " + iamImage,
	"ship": "with --register " + iamWriteEBS + "; " + iamReadEBS + "; " + iamImage +
		"; with --keep ec2:DeregisterImage on arn:aws:ec2:REGION::image/*; with --in-use ec2:DescribeLaunchTemplateVersions on *",
}

// writeEnvironment writes what a command reads of the environment, and what AWS must
// allow it.
func writeEnvironment(w io.Writer, cmd *cobra.Command) {
	others := slices.DeleteFunc(slices.Clone(environment), func(v variable) bool { return !v.readBy(cmd) })
	if len(others) == 0 {
		return
	}
	fmt.Fprint(w, ".SH ENVIRONMENT\n")
	if remote(cmd) {
		fmt.Fprint(w, "Where the flags say nothing, and there is a place in S3 or EBS, the environment does, then ~/.aws, then the role of the instance.\n")
	}
	for _, v := range others {
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", words.Roff(v.names), words.Roff(v.what))
	}
	if remote(cmd) {
		fmt.Fprintf(w, ".SH IAM\nFor a place in S3, on the bucket and on what is in it: %s.\n", words.Roff(iam[cmd.Name()]))
	}
	if text := iamEBS[cmd.Name()]; remote(cmd) && text != "" {
		fmt.Fprintf(w, ".PP\nFor a place in EBS: %s.\n", words.Roff(text))
	}
}

// readBy says whether a command reads the variable.
func (v variable) readBy(cmd *cobra.Command) bool {
	if v.flag == knowsEBS {
		return remote(cmd) && iamEBS[cmd.Name()] != ""
	}
	return cmd.Flags().Lookup(v.flag) != nil
}

// remote returns true if a command has flags about S3.
func remote(cmd *cobra.Command) bool {
	found := false
	cmd.Flags().VisitAll(func(f *pflag.Flag) { found = found || GroupOf(f) == s3Group })
	return found
}

// statuses returns the exit statuses that a command has, and what each means for it.
func statuses(cmd *cobra.Command) string {
	has := func(flag string) bool { return cmd.Flags().Lookup(flag) != nil }
	switch {
	case cmd.Name() == "upload" || cmd.Name() == "upload-bundle":
		return doneStatus + "\n  1  failed; the parts that were sent stay, without a manifest" + usageStatus
	case has("resume"):
		return strings.Replace(exitStatuses, failedStatus, failedStatus+", but with --resume its parts in S3, or blocks in EBS", 1)
	case cmd.HasAvailableSubCommands() || has("strict") || has("volume"): // which make images
		return exitStatuses
	case cmd.Name() == "check":
		return doneStatus + "\n  1  failed" + usageStatus + "\n  3  done, but no machine would start from it: a finding is fatal"
	case has("signature"):
		return doneStatus + failedStatus + usageStatus + "\n  3  done, but nobody checked who made the bundle: neither --cert nor --signature"
	case has("force") && cmd.Name() != "delete-bundle": // which make something
		return doneStatus + failedStatus + usageStatus
	}
	return doneStatus + "\n  1  failed" + usageStatus
}
