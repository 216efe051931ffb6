package main

import (
	"strings"
	"testing"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/ec2tools"
)

// oldOptions are the options of the old tools, with the number of their values.
var oldOptions = map[string]map[string]int{
	"ec2-bundle-vol": {
		"--cert": 1, "-c": 1, "--privatekey": 1, "-k": 1, "--user": 1, "-u": 1, "--ec2cert": 1, "--destination": 1, "-d": 1,
		"--prefix": 1, "-p": 1, "--arch": 1, "-r": 1, "--size": 1, "-s": 1, "--volume": 1, "-v": 1, "--all": 0, "-a": 0,
		"--exclude": 1, "-e": 1, "--include": 1, "-i": 1, "--no-filter": 0, "--fstab": 1, "--generate-fstab": 0,
		"--kernel": 1, "--ramdisk": 1, "--block-device-mapping": 1, "-B": 1, "--productcodes": 1, "--inherit": 0, "--no-inherit": 0,
		"--partition": 1, "-P": 1, "--grub-config": 1, "--script": 1, "-S": 1, "--clone-only": 0, "--batch": 0, "--debug": 0,
		"--no-size-checks": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-bundle-image": {
		"--cert": 1, "-c": 1, "--privatekey": 1, "-k": 1, "--user": 1, "-u": 1, "--ec2cert": 1, "--destination": 1, "-d": 1,
		"--prefix": 1, "-p": 1, "--arch": 1, "-r": 1, "--image": 1, "-i": 1, "--kernel": 1, "--ramdisk": 1, "--no-size-checks": 0,
		"--block-device-mapping": 1, "-B": 1, "--productcodes": 1, "--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-unbundle": {
		"--privatekey": 1, "-k": 1, "--manifest": 1, "-m": 1, "--source": 1, "-s": 1, "--destination": 1, "-d": 1,
		"--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-migrate-manifest": {
		"--cert": 1, "-c": 1, "--privatekey": 1, "-k": 1, "--manifest": 1, "-m": 1, "--access-key": 1, "-a": 1, "--secret-key": 1, "-s": 1,
		"--ec2cert": 1, "--kernel": 1, "--ramdisk": 1, "--no-mapping": 0, "--region": 1,
		"--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-upload-bundle": {
		"--bucket": 1, "-b": 1, "--access-key": 1, "-a": 1, "--secret-key": 1, "-s": 1, "--delegation-token": 1, "-t": 1,
		"--manifest": 1, "-m": 1, "--url": 1, "--region": 1, "--sigv": 1, "--acl": 1, "--directory": 1, "-d": 1, "--part": 1,
		"--retry": 0, "--skipmanifest": 0, "--location": 1, "--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-download-bundle": {
		"--bucket": 1, "-b": 1, "--access-key": 1, "-a": 1, "--secret-key": 1, "-s": 1, "--delegation-token": 1, "-t": 1,
		"--privatekey": 1, "-k": 1, "--manifest": 1, "-m": 1, "--prefix": 1, "-p": 1, "--url": 1, "--region": 1, "--sigv": 1,
		"--directory": 1, "-d": 1, "--retry": 0, "--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
	"ec2-delete-bundle": {
		"--bucket": 1, "-b": 1, "--access-key": 1, "-a": 1, "--secret-key": 1, "-s": 1, "--delegation-token": 1, "-t": 1,
		"--manifest": 1, "-m": 1, "--prefix": 1, "-p": 1, "--url": 1, "--region": 1, "--sigv": 1, "--clear": 0, "--yes": 0, "-y": 0,
		"--retry": 0, "--batch": 0, "--debug": 0, "--version": 0, "--manual": 0, "--help": 0, "-h": 0,
	},
}

// Every option of the old tools is taken, short and long.
func TestOldOptions(t *testing.T) {
	for tool, options := range oldOptions {
		for option, values := range options {
			args := ec2tools.CommandLine([]string{tool, option, "1"}[:2+values])
			// --help after it does nothing but parse.
			code, stdout, stderr := call(append(args, "--help")...)
			if code != 0 || !strings.Contains(stdout, "Usage:\n  purebundle ec2 ") {
				t.Errorf("%s %s: status %d, %s", tool, option, code, stderr)
			}
		}
	}
	for option, want := range map[string]int{"--dest=/x": 0, "--priv=x": 0, "--gen": 0, "--no": cli.StatusUsage, "--manu": 0, "--exlude=x": cli.StatusUsage} {
		if code, _, stderr := call("ec2", "bundle-vol", option, "--help"); code != want {
			t.Errorf("%s: status %d, %s", option, code, stderr)
		}
	}
	if code, stdout, _ := call(ec2tools.CommandLine([]string{"ec2-ami-tools-version"})...); code != 0 || !strings.HasPrefix(stdout, "purebundle ") {
		t.Errorf("ec2-ami-tools-version: status %d, %q", code, stdout)
	}
	code, _, stderr := call(ec2tools.CommandLine([]string{"ec2-migrate-bundle", "-b", "x", "-d", "y"})...)
	if code != cli.StatusUsage || !strings.Contains(stderr, "hint: purebundle ec2 download-bundle, migrate-manifest") {
		t.Errorf("ec2-migrate-bundle: status %d, %s", code, stderr)
	}
	code, stdout, _ := call(ec2tools.CommandLine([]string{"ec2-bundle-vol", "--version"})...)
	if code != 0 || !strings.HasPrefix(stdout, "purebundle ") {
		t.Errorf("--version: status %d, %q", code, stdout)
	}
}
