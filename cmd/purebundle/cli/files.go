package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"purebundle/cmd/purebundle/words"
)

// file is a file that a command reads or makes, for its manual.
type file struct{ path, what string }

var (
	rawFiles = []file{
		{"PREFIX.part.NNN", "a part, 10,485,760 bytes; all of them in order are the image"},
		{"PREFIX.sha256", "the digests of the parts, for sha256sum -c"},
		{"PREFIX.manifest.json", "what the bundle is, the digests, and what is not in it; it comes last, and goes first"},
	}
	archiveFiles = []file{
		{"PREFIX.part.N", "a part of the archive: compressed, encrypted, 10,485,760 bytes but for the last"},
		{"PREFIX.manifest.xml", "the signed manifest, with the key encrypted for the user and for EC2"},
	}
	certFiles   = []file{{"etc/ec2/amitools/cert-ec2.pem", "EC2's certificate, below /, /usr or /usr/local, unless --ec2cert names another"}}
	bakFiles    = []file{{"PREFIX.manifest.xml.bak", "the manifest as it was"}}
	mountFiles  = []file{{"/proc/self/mountinfo", "the mounts, by which it is decided what goes in"}}
	sharedFiles = []file{{"~/.aws/config, ~/.aws/credentials", "regions, profiles and keys; of the s3 settings addressing_style is heeded"}}
)

// files lists what commands read and make, by name; that of all that know S3 is added.
var files = map[string][]file{
	"bundle": slices.Concat(rawFiles, mountFiles), "ship": slices.Concat(rawFiles, archiveFiles, certFiles, mountFiles), "mounts": mountFiles, "doctor": mountFiles, "check": mountFiles,
	"verify": rawFiles, "unbundle": rawFiles, "ls": rawFiles, "cat": rawFiles, "upload": rawFiles, "download": rawFiles, "delete": rawFiles,
	"register": archiveFiles, "ec2 bundle-vol": slices.Concat(archiveFiles, certFiles, mountFiles), "ec2 bundle-image": slices.Concat(archiveFiles, certFiles),
	"ec2 unbundle": archiveFiles, "ec2 verify": archiveFiles, "ec2 migrate-manifest": slices.Concat(archiveFiles, bakFiles, certFiles),
	"ec2 upload-bundle": archiveFiles, "ec2 download-bundle": archiveFiles, "ec2 delete-bundle": archiveFiles,
}

// writeFiles writes the section about files.
func writeFiles(w io.Writer, cmd *cobra.Command) {
	_, name, _ := strings.Cut(cmd.CommandPath(), " ")
	list := files[name]
	if remote(cmd) {
		list = slices.Concat(list, sharedFiles)
	}
	if len(list) == 0 {
		return
	}
	fmt.Fprint(w, ".SH FILES\n")
	for _, f := range list {
		fmt.Fprintf(w, ".TP\n.B %s\n%s\n", words.Roff(f.path), words.Roff(f.what))
	}
}
