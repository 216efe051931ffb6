package awsapi

import (
	"cmp"
	"crypto/x509"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"

	"purebundle/chunk"
)

// credentialsError is a search for credentials that ended without any.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

// noCredentials returns what to say of a chain of providers that found nothing.
func noCredentials(c *credentialsError) (text, hint string) {
	var role config.SharedConfigAssumeRoleError
	var code config.AssumeRoleTokenProviderNotSetError
	var signIn *ssocreds.InvalidTokenError
	var program *processcreds.ProviderError
	switch {
	case errors.As(c, &code):
		return "the role asks for a code (MFA), which this program cannot ask for",
			"get a session with the code first (aws sts get-session-token, or aws configure export-credentials --format env) and use its keys"
	case errors.As(c, &role):
		return "the role " + role.RoleARN + " of profile " + role.Profile + " has no keys to begin with",
			"its source_profile must lead to a profile that has keys; roles that name one another in a circle never do"
	case errors.As(c, &program):
		return programFailed(program)
	case signInFile(c):
		return "nobody has signed in (SSO)", "aws sso login, as this user and with this profile"
	case errors.As(c, &signIn), strings.Contains(c.Error(), "SSO token"): // the SDK has no type for the latter
		return "the sign-in has run out (SSO)", "aws sso login makes a new one"
	case nothingFound(c):
		return "no credentials found", cmp.Or(lostToSudo(), "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile, or give the instance a role")
	}
	if text, hint := reach(c.err); text != "" {
		return "no credentials: " + text, hint // of the service that gives them
	}
	return "no credentials: " + short(c), "look at ~/.aws/config, ~/.aws/credentials and the AWS_ variables of the environment"
}

// signInFile returns true if the file that a sign-in leaves is not there.
func signInFile(err error) bool {
	path, ok := errors.AsType[*fs.PathError](err)
	return ok && errors.Is(path, fs.ErrNotExist) && strings.Contains(path.Path, "/.aws/sso/cache/")
}

// nothingFound returns true if the last of the providers, the metadata service, was
// asked in vain. The SDK has no type for it.
func nothingFound(err error) bool {
	text := err.Error()
	return strings.Contains(text, "no EC2 IMDS role found") || strings.Contains(text, "failed to refresh cached credentials, static credentials are empty")
}

// programFailed returns what to say of credential_process. What that printed may be a
// secret and is not repeated.
func programFailed(err *processcreds.ProviderError) (text, hint string) {
	hint = "run the program of credential_process in ~/.aws/config by hand: it must print the JSON that AWS documents, and exit 0"
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "credential_process failed: " + exit.Error(), hint
	}
	if strings.Contains(err.Err.Error(), "process output") { // the SDK has no type for it
		return "credential_process printed no credentials", hint
	}
	return "credential_process failed: " + innermost(err).Error(), hint
}

// lostToSudo returns a hint if sudo is likely to have taken the variables away that lead
// to credentials; else "".
func lostToSudo() string {
	user := os.Getenv("SUDO_USER")
	if user == "" || os.Geteuid() != 0 {
		return ""
	}
	for _, line := range os.Environ() {
		if strings.HasPrefix(line, "AWS_") && !strings.HasSuffix(line, "=") {
			return ""
		}
	}
	return "sudo does not pass on the AWS_ variables and the home directory of " + oneLine(user) +
		": sudo --preserve-env=AWS_PROFILE,AWS_ACCESS_KEY_ID,AWS_SECRET_ACCESS_KEY,AWS_SESSION_TOKEN, or put the files in root's ~/.aws"
}

// checkKeys returns an error if credentials cannot be put in a request: a newline or
// a space that came along when they were pasted or read from a file.
func checkKeys(c aws.Credentials) error {
	for _, k := range []struct{ name, value string }{
		{"access key ID", c.AccessKeyID}, {"secret access key", c.SecretAccessKey}, {"session token", c.SessionToken},
	} {
		if strings.ContainsFunc(k.value, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return &chunk.Error{Op: "credentials", Path: c.Source, Err: errors.New("the " + k.name + " has a space, a newline or another character in it that no key has"),
				Hint: "take it away where the key comes from: a variable, a file, a program"}
		}
	}
	return nil
}

// checkRegion returns an error if a region's name cannot be one: it is part of host
// names and of signatures.
func checkRegion(region string) error {
	if !strings.ContainsFunc(region, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '_'
	}) {
		return nil
	}
	return &chunk.Error{Op: "region", Path: strconv.Quote(region), Err: errors.New("is no name of a region"), Hint: "such as eu-west-1: look at AWS_REGION, the profile and the option"}
}

// checkBundle returns an error if the file of AWS_CA_BUNDLE has no certificates.
func checkBundle() error {
	path := os.Getenv("AWS_CA_BUNDLE")
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathErr.Err
	}
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(text) {
		err = errors.New("has no certificate in PEM form")
	}
	if err == nil {
		return nil
	}
	return &chunk.Error{Op: "open", Path: path, Err: err, Hint: "AWS_CA_BUNDLE names this file: mend it, or unset it if the system's certificates are enough"}
}
