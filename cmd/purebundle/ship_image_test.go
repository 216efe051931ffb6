package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"purebundle/chunk/awsapi"
	"purebundle/chunk/ebs/ebstest"
	"purebundle/chunk/ec2/ami/amitest"
	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/ship"
)

// shipper ships machine images of one tree to one server.
type shipper struct {
	*ebstest.Server
	tree string
}

func newShipper(t *testing.T) *shipper {
	s := &shipper{Server: ebstest.Start(t), tree: uefiTree(t)}
	s.EC2.Looks = 0
	s.Setenv(t)
	return s
}

// ship runs ship --register, under a name that differs from run to run.
func (s *shipper) ship(t *testing.T, want int, flags ...string) (sum ship.Summary, stderr string) {
	t.Helper()
	args := append([]string{"ship", "--register", "--no-check", "--json", "--name", "{hostname} {uuid}", s.tree}, flags...)
	code, stdout, stderr := call(args...)
	if code != want {
		t.Fatalf("%v: status %d, want %d: %s", flags, code, want, stderr)
	}
	if code == cli.StatusDone || code == cli.StatusIncomplete {
		if err := json.Unmarshal([]byte(stdout), &sum); err != nil {
			t.Fatalf("%v: %s", err, stdout)
		}
	}
	return sum, stderr
}

// have returns the ids of the images and snapshots that are there.
func (s *shipper) have() (ids []string) {
	for _, i := range s.EC2.Images() {
		ids = append(ids, i.ID)
	}
	for _, sn := range s.Snapshots() {
		ids = append(ids, sn.ID)
	}
	return ids
}

// TestShipImage makes machine images of a tree in one command each, keeps so many, and
// spares those that are to be spared.
func TestShipImage(t *testing.T) {
	s := newShipper(t)
	one, stderr := s.ship(t, cli.StatusDone, "--tag", "team=web", "--volume-size", "8G", "--description", "nightly")
	if !strings.Contains(stderr, "writing ebs:snap-") {
		t.Errorf("the id was not told: %s", stderr)
	}
	images, snapshots := s.EC2.Images(), s.Snapshots()
	if len(images) != 1 || len(snapshots) != 1 || one.ImageID != images[0].ID || string(one.Dest) != "ebs:"+snapshots[0].ID {
		t.Fatalf("%+v; %+v; %+v", one, images, snapshots)
	}
	form := images[0].Form
	for name, want := range map[string]string{"Architecture": "x86_64", "BootMode": "uefi", "ImdsSupport": "v2.0", "EnaSupport": "true", "Description": "nightly", "Name": one.Name,
		"BlockDeviceMapping.1.Ebs.SnapshotId": snapshots[0].ID, "BlockDeviceMapping.1.Ebs.VolumeSize": "8", "BlockDeviceMapping.1.Ebs.VolumeType": "gp3"} {
		if form.Get(name) != want {
			t.Errorf("%s is %q instead of %q", name, form.Get(name), want)
		}
	}
	host, _ := os.Hostname()
	tags := map[string]string{}
	for _, tag := range images[0].Tags {
		tags[tag.Key] = tag.Value
	}
	for _, have := range []map[string]string{tags, snapshots[0].Tags} {
		for key, want := range map[string]string{cli.TagTemplate: "{hostname} {uuid}", cli.TagHost: host, cli.TagSource: s.tree, "team": "web", "Name": one.Name} {
			if have[key] != want {
				t.Errorf("tag %s is %q instead of %q", key, have[key], want)
			}
		}
	}
	if snapshots[0].Description != "nightly" {
		t.Errorf("snapshot %+v", snapshots[0])
	}

	// A dry run makes nothing, asks for leave, and says what would go.
	before := s.have()
	plan, _ := s.ship(t, cli.StatusDone, "--keep", "1", "--dry-run")
	if !slices.Equal(slices.Concat(plan.WouldDelete, plan.WouldDeleteSnapshots), before) || !slices.Equal(s.have(), before) || plan.Kept != 1 {
		t.Errorf("would delete %v of %v; %v are left", plan.WouldDelete, before, s.have())
	}
	for _, action := range []string{"DeregisterImage", "DeleteSnapshot"} {
		if all := s.EC2.Requests(action); len(all) != 1 || all[0].Get("DryRun") != "true" {
			t.Errorf("%s: %v", action, all)
		}
	}

	// With --keep 1, the new one takes the place of the older one.
	two, said := s.ship(t, cli.StatusDone, "--keep", "1", "--resume", "--journal", t.TempDir())
	if two.Base != one.Dest { // and it is made of it
		t.Errorf("its base is %q, %q, not %s: %s", two.Base, two.NoBase, one.Dest, said)
	}
	if want := []string{two.ImageID, strings.TrimPrefix(string(two.Dest), "ebs:")}; !slices.Equal(s.have(), want) || !slices.Equal(slices.Concat(two.Deleted, two.DeletedSnapshots), before) || two.Kept != 1 {
		t.Errorf("%v are left, want %v; %+v", s.have(), want, two)
	}
	// Of another template, or of another SOURCE, nothing goes.
	for _, args := range [][]string{{"--name", "other {uuid}", s.tree}, {"--name", "{hostname} {uuid}", uefiTree(t)}} {
		if code, stdout, stderr := call(append([]string{"ship", "--register", "--no-check", "--keep", "1"}, args...)...); code != cli.StatusDone || strings.Contains(stdout, "\ndeleted") {
			t.Errorf("%v: status %d: %s%s", args, code, stdout, stderr)
		}
	}
	if n := len(s.have()); n != 6 {
		t.Errorf("%d images and snapshots are left of 6", n)
	}
}

// TestShipImageSpares has images that are one too many, and are not deleted.
func TestShipImageSpares(t *testing.T) {
	if testing.Short() {
		t.Skip("a dozen images: nothing goes on beside what TestShipImage does")
	}
	s := newShipper(t)
	made := map[string]ship.Summary{}
	snapshot := func(name string) string { return strings.TrimPrefix(string(made[name].Dest), "ebs:") }
	for _, name := range []string{"tagged", "snapshot", "byName", "byID", "byParameter", "protected", "broken", "shared", "plain", "kept"} {
		made[name], _ = s.ship(t, cli.StatusDone)
	}
	tag(t, made["tagged"].ImageID, cli.TagKeep)
	tag(t, snapshot("snapshot"), cli.TagKeep)
	s.EC2.Templates = map[string][]string{"web": {"ami-0", made["byName"].ImageID}, "lt-0123": {made["byID"].ImageID, "resolve:ssm:/web"}}
	s.EC2.Parameters = map[string]string{"/web": made["byParameter"].ImageID}
	s.EC2.Set(made["protected"].ImageID, "", true)
	s.EC2.Set(made["broken"].ImageID, "failed", false)
	if code, _, stderr := call("register", "--name", "another", string(made["shared"].Dest)); code != cli.StatusDone {
		t.Fatal(stderr)
	}
	s.EC2.Page = 3
	s.EC2.Fail("DeleteSnapshot", amitest.Fault{Status: 412, Code: "DryRunOperation", Message: "would"}, amitest.Fault{Status: 412, Code: "DryRunOperation", Message: "would"},
		amitest.Fault{Status: 412, Code: "DryRunOperation", Message: "would"}, amitest.Fault{Status: 412, Code: "DryRunOperation", Message: "would"},
		amitest.Fault{Status: 400, Code: "InvalidSnapshot.InUse", Message: "not known everywhere yet"})
	last, _ := s.ship(t, cli.StatusDone, "--keep", "2", "--in-use", "web", "--in-use", "lt-0123")
	if want := []string{made["plain"].ImageID, made["shared"].ImageID}; !slices.Equal(last.Deleted, want) || !slices.Equal(last.DeletedSnapshots, []string{snapshot("plain")}) {
		t.Errorf("deleted %v, %v; want %v, %s", last.Deleted, last.DeletedSnapshots, want, snapshot("plain"))
	}
	alone := strings.Join(last.LeftAlone, "\n")
	for _, line := range []string{made["tagged"].ImageID + ": has the tag purebundle:keep", made["snapshot"].ImageID + ": has the tag purebundle:keep",
		made["byName"].ImageID + ": launch template web starts it", made["byID"].ImageID + ": launch template lt-0123 starts it", made["byParameter"].ImageID + ": launch template lt-0123 starts it",
		made["protected"].ImageID + ": is protected", made["broken"].ImageID + ": its state is failed", snapshot("shared") + ": ami-"} {
		if !strings.Contains(alone, line) {
			t.Errorf("%q is not said:\n%s", line, alone)
		}
	}
	if len(last.LeftAlone) != 8 || last.Kept != 8 {
		t.Errorf("%d left alone, %d kept:\n%s", len(last.LeftAlone), last.Kept, alone)
	}
}

// TestShipImageFails has what is asked of EC2 fail, at each step.
func TestShipImageFails(t *testing.T) {
	s := newShipper(t)
	old, _ := s.ship(t, cli.StatusDone)
	before := s.have()
	denied := amitest.Fault{Status: http.StatusForbidden, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation."}
	for _, c := range []struct {
		name, action string
		flags        []string
		started      bool   // a snapshot was begun
		says         string // with the hint
	}{
		{"register denied", "RegisterImage", nil, false, "ec2:RegisterImage"},
		{"list denied", "DescribeImages", nil, false, "ec2:DescribeImages"},
		{"deregister denied", "DeregisterImage", nil, false, "ec2:DeregisterImage"},
		{"delete denied", "DeleteSnapshot", nil, false, "ec2:DeleteSnapshot"},
		{"templates denied", "DescribeLaunchTemplateVersions", []string{"--in-use", "web"}, false, "ec2:DescribeLaunchTemplateVersions"},
		{"no such template", "", []string{"--in-use", "wob"}, false, "look at the name of the launch template"},
		{"broken", "", []string{"broken"}, true, "its state is failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.EC2.Templates = map[string][]string{"web": {"ami-1"}}
			flags := c.flags
			if c.name == "broken" {
				s.EC2.Broken, flags = "failed", nil
				defer func() { s.EC2.Broken = "" }()
			} else if c.action != "" {
				s.EC2.Fail(c.action, denied)
			}
			starts := s.Count("StartSnapshot")
			if c.name == "broken" { // the older one is not broken
				s.EC2.Set(old.ImageID, "available", false)
			}
			_, stderr := s.ship(t, cli.StatusFailed, append([]string{"--keep", "1"}, flags...)...)
			if !strings.Contains(stderr, c.says) || !strings.Contains(stderr, "hint: ") {
				t.Errorf("said %s", stderr)
			}
			if begun := s.Count("StartSnapshot") > starts; begun != c.started {
				t.Errorf("begun %v", begun)
			}
			if have := s.have(); !slices.Contains(have, old.ImageID) || !slices.Contains(have, before[1]) || !c.started && len(have) != len(before) {
				t.Errorf("%v are left of %v", have, before)
			}
		})
	}
}

// TestShipImageChecked has what would not start refused before anything is made, also by
// "bundle --disk" to EBS.
func TestShipImageChecked(t *testing.T) {
	s := newShipper(t)
	for _, args := range [][]string{{"ship", "--register", "--name", "web", s.tree}, {"bundle", "--disk", s.tree, "ebs:"}} {
		code, _, stderr := call(args...)
		if code != cli.StatusFailed || !strings.Contains(stderr, "no machine would start from it") || !strings.Contains(stderr, "--no-check") || !strings.Contains(stderr, "purebundle check --for aws "+s.tree) {
			t.Errorf("%v: status %d: %s", args, code, stderr)
		}
	}
	if images, started := s.EC2.Images(), s.Count("StartSnapshot"); len(images) != 0 || started != 0 {
		t.Errorf("%v, %d snapshots started", images, started)
	}
	if code, _, stderr := call("bundle", "--disk", "--for", "any", "--progress", "none", s.tree, filepath.Join(t.TempDir(), "out")); code != cli.StatusDone {
		t.Errorf("for a directory: status %d: %s", code, stderr)
	}
}

// TestShipImageLeft has the image refused once the snapshot is complete: it is told, with
// what makes an image of it.
func TestShipImageLeft(t *testing.T) {
	s := newShipper(t)
	s.EC2.Fail("RegisterImage", amitest.DryRun, amitest.Fault{Status: 400, Code: "ResourceLimitExceeded", Message: "too many images"})
	_, stderr := s.ship(t, cli.StatusFailed)
	left := s.Snapshots()
	if len(left) != 1 || !strings.Contains(stderr, fmt.Sprintf("the snapshot is complete: ebs:%s", left[0].ID)) || !strings.Contains(stderr, "purebundle register --name") || !strings.Contains(stderr, "quota") {
		t.Errorf("%v: %s", left, stderr)
	}
}

// tag gives an image or a snapshot a tag, as somebody else would.
func tag(t *testing.T, id, key string) {
	t.Helper()
	cfg, err := awsapi.Load(t.Context(), awsapi.Options{})
	if err == nil {
		_, err = ec2.NewFromConfig(cfg).CreateTags(t.Context(), &ec2.CreateTagsInput{Resources: []string{id}, Tags: []types.Tag{{Key: &key, Value: aws.String("")}}})
	}
	if err != nil {
		t.Fatal(err)
	}
}
