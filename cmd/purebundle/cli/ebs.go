package cli

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs"
	"purebundle/chunk/s3"
	"purebundle/cmd/purebundle/words"
)

// EBSGroup is the heading of the flags about EBS.
const EBSGroup = "EBS"

// EBS holds what the flags about a new snapshot say. How EBS is reached, the flags about
// S3 say as well.
type EBS struct {
	Name, Description string
	Encrypt           bool
	KMSKey            string
	journal           string // directory
}

// Flags adds them.
func (c *EBS) Flags(cmd *cobra.Command) {
	Group(cmd, EBSGroup, func(f *pflag.FlagSet) {
		f.StringVar(&c.Name, "snapshot-name", "", "tag the snapshot with Name=`TEXT`")
		f.StringVar(&c.Description, "description", "", "`TEXT` about the snapshot, at most 255 characters")
		f.BoolVar(&c.Encrypt, "encrypt", false, "encrypt the snapshot (default: as the account does)")
		f.StringVar(&c.KMSKey, "kms-key-id", "", "`ARN` of the KMS key to encrypt the snapshot with (default: the account's)")
	})
}

// JournalFlag adds the flag of what can go on with a run that was cut.
func (c *EBS) JournalFlag(f *pflag.FlagSet) {
	DirVarP(f, &c.journal, "journal", "", "", "with --resume, `DIR` for what EBS has acknowledged (default: $STATE_DIRECTORY, else "+usualJournal+")")
}

// CheckJournal refuses a directory for the journal of the command name without resume.
func (c *EBS) CheckJournal(name string, resume bool) error {
	if c.journal == "" || resume {
		return nil
	}
	return WithHint(Usagef("%s: --journal, but no --resume", name), "a run with --resume notes what EBS has acknowledged, for the next one")
}

// usualJournal is where journals are if nothing else is said.
const usualJournal = "/var/lib/purebundle/journal"

// JournalDir returns the directory of the journals.
func (c *EBS) JournalDir() string {
	first, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":") // systemd.exec(5)
	return cmp.Or(c.journal, first, usualJournal)
}

// OpenJournal opens the journal of a snapshot that these words tell from others, such as
// SOURCE; its directory is made if it is missing.
func (c *EBS) OpenJournal(about ...string) (*ebs.Journal, error) {
	dir := c.JournalDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, WithHint(err, "--journal names another directory")
	}
	return ebs.OpenJournal(ebs.JournalName(dir, about...))
}

// Check checks the values.
func (c *EBS) Check(name string) error {
	switch {
	case len(c.Description) > 255:
		return Usagef("%s: --description: longer than 255 characters", name)
	case c.KMSKey != "" && !strings.HasPrefix(c.KMSKey, "arn:"):
		return WithHint(Usagef("%s: --kms-key-id %s: is no ARN", name, c.KMSKey), "write it as in arn:aws:kms:eu-west-1:123456789012:key/…")
	}
	return nil
}

// shared lists the flags about S3 that EBS has as well.
var shared = []string{"region", "profile", "endpoint-url", "limit-rate", "patience", "concurrency", "tag", "resume"}

// checkEBS refuses flags that are about S3 alone, unless one of the places is there.
func (c *S3) checkEBS(cmd *cobra.Command, alsoS3 bool) (err error) {
	c.measured = !cmd.Flags().Changed("concurrency")
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && GroupOf(f) == s3Group && !alsoS3 && !slices.Contains(shared, f.Name) {
			err = WithHint(Usagef("%s: --%s is about S3, and the place is in EBS", cmd.Name(), f.Name), "leave it out")
		}
	})
	return err
}

// onlyEBS refuses flags about EBS, because no place is there.
func onlyEBS(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && GroupOf(f) == EBSGroup {
			err = WithHint(Usagef("%s: --%s is about EBS, and there is no place in EBS here", cmd.Name(), f.Name), "a new snapshot is written ebs:")
		}
	})
	return err
}

// EBS connects to EBS. It asks nothing of it yet.
func (c *S3) EBS(ctx context.Context, a *App) (*ebs.Client, error) {
	a.WarnExposed(awsapi.CredentialFiles()...)
	opt := ebs.Options{Options: c.Shared(a), Limit: int64(c.limit)}
	if !c.measured {
		opt.Workers = c.Concurrency
	}
	return ebs.Connect(ctx, opt)
}

// IsRemote says whether a BUNDLE is in S3 or EBS.
func IsRemote(place string) bool { return s3.IsURL(place) || ebs.IsPlace(place) }

// CheckSnapshot checks the name of a snapshot that there is, ebs:snap-….
func CheckSnapshot(place string) error {
	id, err := ebs.ParsePlace(place)
	if err == nil && id == "" {
		err = WithHint(errors.New("ebs: alone is no snapshot"), "write it as in ebs:snap-0123456789abcdef0")
	}
	if err != nil {
		return &UsageError{Err: err}
	}
	return nil
}

// OpenSnapshot opens the snapshot ebs:snap-….
func (c *S3) OpenSnapshot(ctx context.Context, a *App, place string) (*ebs.Snapshot, error) {
	if err := CheckSnapshot(place); err != nil {
		return nil, err
	}
	client, err := c.EBS(ctx, a)
	if err != nil {
		return nil, err
	}
	return client.Open(ctx, strings.TrimPrefix(place, ebs.Scheme))
}

// Making returns what is made of a snapshot: with tags that say by whom and of what.
func (c *EBS) Making(a *App, client *ebs.Client, tags map[string]string, about map[string]string, journal *ebs.Journal) ebs.Making {
	m := ebs.Making{Journal: journal, Description: c.Description, Encrypt: c.Encrypt, KMSKey: c.KMSKey, Tags: map[string]string{TagVersion: a.Version}}
	for _, some := range []map[string]string{about, tags} {
		for key, value := range some {
			m.Tags[key] = cut(value, MaxTag)
		}
	}
	if c.Name != "" {
		m.Tags["Name"] = c.Name
	}
	m.Started = func(id string, encrypted bool) {
		if a.Quiet {
			return
		}
		how, what := "", "writing "
		if encrypted {
			how = ", encrypted"
		}
		if id == journal.ID() {
			what = "going on with "
		}
		a.Say(what + ebs.Scheme + id + how + "; should it stay unfinished: " + client.Delete(id))
	}
	return m
}

// Tags of the snapshots that are made here.
const (
	TagVersion = "purebundle"
	TagMachine = "purebundle:machine"
	TagHost    = "purebundle:host"
	TagSource  = "purebundle:source"
	// TagTemplate has the template of the name of an image, and of its snapshot: ship --keep
	// knows older ones by it.
	TagTemplate = "purebundle:template"
	// TagKeep has ship --keep leave an image or a snapshot alone, whatever its value.
	TagKeep = "purebundle:keep"
)

// MaxTag is how long the value of a tag is at most, in characters.
const MaxTag = 256

// cut returns at most n characters of text.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n])
	}
	return text
}

// WarnLeftovers names the snapshots of this machine that nobody has completed: about has
// the tags by which they are known. It is the first request, too: without permission
// nothing is begun. journal, which may be nil, has one that is known.
func WarnLeftovers(ctx context.Context, a *App, client *ebs.Client, about map[string]string, journal *ebs.Journal) error {
	key := TagMachine
	if about[key] == "" {
		key = TagHost
	}
	if about[key] == "" {
		return nil
	}
	left, err := client.Leftovers(ctx, key, about[key])
	if err != nil || a.Quiet {
		return err
	}
	for _, l := range left {
		if l.ID == journal.ID() {
			continue
		}
		a.Say("warning: " + ebs.Scheme + l.ID + ": begun " + l.Began.Format("2006-01-02 15:04") + " on this machine and never completed, unless another run is at it: " + words.Printable(client.Delete(l.ID)))
	}
	return nil
}
