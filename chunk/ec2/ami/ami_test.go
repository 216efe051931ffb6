package ami_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"purebundle/chunk"
	"purebundle/chunk/ec2/ami"
	"purebundle/chunk/ec2/ami/amitest"
)

// config returns the configuration of a client of s which does not wait long before it tries again.
func config(s *amitest.Server) aws.Config {
	return aws.Config{
		BaseEndpoint: aws.String(s.Endpoint),
		Region:       s.Region,
		Credentials:  credentials.NewStaticCredentialsProvider(s.Access, s.Secret, "session/token=="),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
		},
	}
}

const location = "bucket/machines/web.manifest.xml"

var quick = ami.WaitOptions{First: time.Millisecond, Longest: 2 * time.Millisecond}

func TestRegister(t *testing.T) {
	for _, c := range []struct {
		name string
		in   ami.Input
		want url.Values // beside Action, Version, Name and ImageLocation
	}{
		{"least", ami.Input{}, url.Values{}},
		{"all", ami.Input{
			Description: "nightly <&> ü", Arch: "i386", Kernel: "aki-1", Ramdisk: "ari-2", Virtualization: "hvm",
			Tags: map[string]string{"b": "2", "a": "", "Größe": "x&y=z"},
		}, url.Values{
			"Description": {"nightly <&> ü"}, "Architecture": {"i386"}, "KernelId": {"aki-1"}, "RamdiskId": {"ari-2"}, "VirtualizationType": {"hvm"},
			"TagSpecification.1.ResourceType": {"image"},
			"TagSpecification.1.Tag.1.Key":    {"Größe"}, "TagSpecification.1.Tag.1.Value": {"x&y=z"},
			"TagSpecification.1.Tag.2.Key": {"a"}, "TagSpecification.1.Tag.2.Value": {""},
			"TagSpecification.1.Tag.3.Key": {"b"}, "TagSpecification.1.Tag.3.Value": {"2"},
		}},
		{"devices", ami.Input{Devices: []ami.Device{
			{Name: "/dev/sdb", Virtual: "ephemeral0"},
			{Name: "/dev/sdc", None: true},
			{Name: "/dev/sdd", Snapshot: "snap-1"},
			{Name: "/dev/sde", Size: 100, Type: "io1", IOPS: 300, Keep: true, Encrypted: true},
		}}, url.Values{
			"BlockDeviceMapping.1.DeviceName": {"/dev/sdb"}, "BlockDeviceMapping.1.VirtualName": {"ephemeral0"},
			"BlockDeviceMapping.2.DeviceName": {"/dev/sdc"}, "BlockDeviceMapping.2.NoDevice": {""},
			"BlockDeviceMapping.3.DeviceName": {"/dev/sdd"}, "BlockDeviceMapping.3.Ebs.SnapshotId": {"snap-1"},
			"BlockDeviceMapping.3.Ebs.DeleteOnTermination": {"true"},
			"BlockDeviceMapping.4.DeviceName":              {"/dev/sde"}, "BlockDeviceMapping.4.Ebs.VolumeSize": {"100"},
			"BlockDeviceMapping.4.Ebs.VolumeType": {"io1"}, "BlockDeviceMapping.4.Ebs.Iops": {"300"},
			"BlockDeviceMapping.4.Ebs.DeleteOnTermination": {"false"}, "BlockDeviceMapping.4.Ebs.Encrypted": {"true"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := amitest.Start(t, amitest.Account{})
			c.in.Name, c.in.Location = "web 2026-11-22", location
			id, err := ami.Register(t.Context(), config(s), c.in)
			if err != nil || !strings.HasPrefix(id, "ami-") {
				t.Fatalf("id %q, error %v", id, err)
			}
			c.want.Set("Action", "RegisterImage")
			c.want.Set("Version", "2016-11-15")
			c.want.Set("Name", "web 2026-11-22")
			c.want.Set("ImageLocation", location)
			all := s.Requests("RegisterImage")
			if len(all) != 1 || all[0].Encode() != c.want.Encode() {
				t.Errorf("sent %v\nwant %v", all, c.want)
			}
			var states []string
			opt := quick
			opt.Notify = func(state string) { states = append(states, state) }
			if err := ami.Wait(t.Context(), config(s), id, opt); err != nil {
				t.Error(err)
			}
			if want := []string{"pending", "pending", "available"}; !slices.Equal(states, want) {
				t.Errorf("states %q", states)
			}
		})
	}
}

func TestDryRun(t *testing.T) {
	s := amitest.Start(t, amitest.Account{})
	in := ami.Input{Name: "web", Location: location, DryRun: true}
	if id, err := ami.Register(t.Context(), config(s), in); id != "" || err != nil {
		t.Errorf("id %q, error %v", id, err)
	}
	if got := s.Requests("RegisterImage"); len(got) != 1 || got[0].Get("DryRun") != "true" {
		t.Errorf("sent %v", got)
	}
	s.Fail("RegisterImage", amitest.Fault{Status: http.StatusForbidden, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation."})
	if _, err := ami.Register(t.Context(), config(s), in); err == nil {
		t.Error("a dry run that would not be allowed gives no error")
	}
	in.DryRun = false
	if id, err := ami.Register(t.Context(), config(s), in); id == "" || err != nil {
		t.Errorf("the dry run took the name: id %q, error %v", id, err)
	}
}

// What EC2 refuses: once, with its words, and what to change.
func TestRefused(t *testing.T) {
	for _, c := range []struct {
		status     int
		code, hint string
		requests   int
	}{
		{400, "InvalidAMIName.Duplicate", "choose another", 1},
		{400, "InvalidManifest", "aws-exec-read", 1},
		{400, "InvalidAKIID.NotFound", "ids differ between regions", 1},
		{403, "UnauthorizedOperation", "ec2:RegisterImage on arn:aws:ec2:*::image/* and arn:aws:ec2:*::snapshot/* to", 1},
		{401, "AuthFailure", "enabled the region", 1},
		{400, "OptInRequired", "does not have this service or region", 1},
		{400, "Blocked", "AWS Support", 1},
		{400, "PendingVerification", "some hours", 1},
		{400, "ResourceLimitExceeded", "quota", 1},
		{400, "InvalidSnapshot.NotFound", "shared with this account", 1},
		{400, "TagPolicyViolation", "tag policy", 1},
	} {
		t.Run(c.code, func(t *testing.T) {
			s := amitest.Start(t, amitest.Account{})
			s.Fail("RegisterImage", amitest.Fault{Status: c.status, Code: c.code, Message: "the words of EC2 <" + c.code + ">"})
			_, err := ami.Register(t.Context(), config(s), ami.Input{Name: "web", Location: location})
			var e *chunk.Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v", err)
			}
			if !strings.Contains(e.Error(), c.code) || !strings.Contains(e.Hint, c.hint) || e.Path != "web" || e.Hint == "" && c.hint != "" {
				t.Errorf("error %v\nhint %s", e, e.Hint)
			}
			if n := len(s.Requests("RegisterImage")); n != c.requests {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// What EC2 refuses of older images, of their snapshots and of launch templates.
func TestRefusedOlder(t *testing.T) {
	for _, c := range []struct {
		action, code, hint string
		do                 func(context.Context, aws.Config) error
	}{
		{"DescribeImages", "UnauthorizedOperation", "allow ec2:DescribeImages on * to", func(ctx context.Context, cfg aws.Config) error {
			_, err := ami.Own(ctx, cfg, map[string]string{"a": "b"})
			return err
		}},
		{"DescribeImages", "UnauthorizedOperation", "allow ec2:DescribeImages on * to", func(ctx context.Context, cfg aws.Config) error {
			_, err := ami.Using(ctx, cfg, "snap-1")
			return err
		}},
		{"DescribeLaunchTemplateVersions", "UnauthorizedOperation", "allow ec2:DescribeLaunchTemplateVersions on * to", func(ctx context.Context, cfg aws.Config) error {
			_, err := ami.Launched(ctx, cfg, "web")
			return err
		}},
		{"DescribeLaunchTemplateVersions", "InvalidLaunchTemplateId.NotFound", "look at the id", func(ctx context.Context, cfg aws.Config) error {
			_, err := ami.Launched(ctx, cfg, "lt-0")
			return err
		}},
		{"DescribeSnapshots", "UnauthorizedOperation", "allow ec2:DescribeSnapshots on * to", func(ctx context.Context, cfg aws.Config) error {
			_, err := ami.SnapshotTags(ctx, cfg, []string{"snap-1"})
			return err
		}},
		{"DeregisterImage", "UnauthorizedOperation", "allow ec2:DeregisterImage on arn:aws:ec2:*::image/* to", func(ctx context.Context, cfg aws.Config) error { return ami.MayDeregister(ctx, cfg, "ami-1") }},
		{"DeregisterImage", "OperationNotPermitted", "protected", func(ctx context.Context, cfg aws.Config) error { return ami.Deregister(ctx, cfg, "ami-1") }},
		{"DeleteSnapshot", "UnauthorizedOperation", "allow ec2:DeleteSnapshot on arn:aws:ec2:*::snapshot/* to", func(ctx context.Context, cfg aws.Config) error { return ami.MayDeleteSnapshot(ctx, cfg, "snap-1") }},
		{"DeleteSnapshot", "InvalidSnapshot.InUse", "deregister that first", func(ctx context.Context, cfg aws.Config) error {
			return ami.DeleteSnapshot(ctx, cfg, "snap-1", time.Millisecond)
		}},
	} {
		s := amitest.Start(t, amitest.Account{})
		s.Templates = map[string][]string{"web": nil}
		for range 5 { // as often as what may pass by itself is tried
			s.Fail(c.action, amitest.Fault{Status: http.StatusForbidden, Code: c.code, Message: "the words of EC2"})
		}
		err := c.do(t.Context(), config(s))
		if e, ok := errors.AsType[*chunk.Error](err); !ok || !strings.Contains(e.Error(), "the words of EC2") || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s %s: %v, want %q", c.action, c.code, err, c.hint)
		}
	}
}

// A dry run that was no dry run is an error: nobody knows what became of it.
func TestNoDryRun(t *testing.T) {
	s := amitest.Start(t, amitest.Account{})
	s.Actions = map[string]func(url.Values) (string, *amitest.Fault){"DeleteSnapshot": func(url.Values) (string, *amitest.Fault) {
		return amitest.Answer("DeleteSnapshot", "<return>true</return>"), nil
	}}
	if err := ami.MayDeleteSnapshot(t.Context(), config(s), "snap-1"); err == nil || !strings.Contains(err.Error(), "dry run") {
		t.Errorf("error %v", err)
	}
}

// What is tried again, and the one thing that may not be done twice.
func TestTriedAgain(t *testing.T) {
	throttled := amitest.Fault{Status: http.StatusServiceUnavailable, Code: "RequestLimitExceeded", Message: "Request limit exceeded."}
	for _, c := range []struct {
		name   string
		faults []amitest.Fault
		images int // requests to register
	}{
		{"throttled", []amitest.Fault{throttled, throttled}, 3},
		{"internal error", []amitest.Fault{{Status: 500, Code: "InternalError", Message: "An internal error has occurred"}}, 2},
		{"the answer is lost", []amitest.Fault{amitest.Lost}, 2},
		{"throttled, then the answer is lost", []amitest.Fault{throttled, amitest.Lost}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := amitest.Start(t, amitest.Account{})
			s.Fail("RegisterImage", c.faults...)
			s.Fail("DescribeImages", throttled)
			id, err := ami.Register(t.Context(), config(s), ami.Input{Name: "web", Location: location})
			if err != nil {
				t.Fatal(err)
			}
			if n := len(s.Requests("RegisterImage")); n != c.images {
				t.Errorf("%d requests", n)
			}
			if err := ami.Wait(t.Context(), config(s), id, quick); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("the name was another's", func(t *testing.T) {
		s := amitest.Start(t, amitest.Account{})
		if _, err := ami.Register(t.Context(), config(s), ami.Input{Name: "web", Location: "bucket/other.manifest.xml"}); err != nil {
			t.Fatal(err)
		}
		s.Fail("RegisterImage", throttled)
		if id, err := ami.Register(t.Context(), config(s), ami.Input{Name: "web", Location: location}); err == nil {
			t.Errorf("took %s, the image of another bundle", id)
		}
	})
}

func TestWait(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*amitest.Server)
		want   string // in the error
	}{
		{"not known at first", func(s *amitest.Server) { s.Hidden = 3 }, ""},
		{"at once", func(s *amitest.Server) { s.Looks = 0 }, ""},
		{"never known", func(s *amitest.Server) { s.Hidden = 1000 }, "no such image"},
		{"failed", func(s *amitest.Server) { s.Broken = "failed" }, "its state is failed: part 3 of 9: digest does not match (Client.InternalError)"},
		{"deregistered", func(s *amitest.Server) { s.Broken = "deregistered" }, "its state is deregistered"},
		{"denied", func(s *amitest.Server) {
			s.Fail("DescribeImages", amitest.Fault{Status: 403, Code: "UnauthorizedOperation", Message: "no"})
		}, "UnauthorizedOperation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := amitest.Start(t, amitest.Account{})
			c.change(s)
			id, err := ami.Register(t.Context(), config(s), ami.Input{Name: "web", Location: location})
			if err != nil {
				t.Fatal(err)
			}
			err = ami.Wait(t.Context(), config(s), id, quick)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
	t.Run("stopped", func(t *testing.T) {
		s := amitest.Start(t, amitest.Account{})
		s.Looks = 1 << 30
		id, err := ami.Register(t.Context(), config(s), ami.Input{Name: "web", Location: location})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		opt := ami.WaitOptions{First: time.Hour, Notify: func(string) { cancel() }}
		if err := ami.Wait(ctx, config(s), id, opt); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestCheck(t *testing.T) {
	long := func(n int) string { return strings.Repeat("ü", n) }
	tags := map[string]string{}
	for i := range 51 {
		tags[strings.Repeat("k", i+1)] = ""
	}
	for _, c := range []struct {
		name string
		in   ami.Input
		want string // in the error; "" for no error
	}{
		{"least", ami.Input{}, ""},
		{"3 characters", ami.Input{Name: "a_b"}, ""},
		{"2 characters", ami.Input{Name: "ab"}, "a name of 2 characters"},
		{"128 characters", ami.Input{Name: strings.Repeat("a", 128)}, ""},
		{"129 characters", ami.Input{Name: strings.Repeat("a", 129)}, "a name of 129 characters"},
		{"all marks", ami.Input{Name: "aZ9()[] ./-'@_"}, ""},
		{"colon", ami.Input{Name: "web 12:30"}, "':' in a name"},
		{"umlaut", ami.Input{Name: "größe"}, "'ö' in a name"},
		{"description of 255", ami.Input{Description: long(255)}, ""},
		{"description of 256", ami.Input{Description: long(256)}, "longer than 255"},
		{"URL", ami.Input{Location: "s3://bucket/web.manifest.xml"}, "is not BUCKET/"},
		{"no directory", ami.Input{Location: "bucket/web.manifest.xml"}, ""},
		{"no bucket", ami.Input{Location: "/web.manifest.xml"}, "is not BUCKET/"},
		{"our own format", ami.Input{Location: "bucket/web.manifest.json"}, "no manifest in Amazon's format"},
		{"arm64", ami.Input{Arch: "arm64"}, `architecture "arm64"`},
		{"kernel", ami.Input{Kernel: "ari-1"}, `kernel "ari-1"`},
		{"ramdisk", ami.Input{Ramdisk: "aki-1"}, `ramdisk "aki-1"`},
		{"virtualization", ami.Input{Virtualization: "xen"}, `virtualization "xen"`},
		{"51 tags", ami.Input{Tags: tags}, "51 tags"},
		{"empty key", ami.Input{Tags: map[string]string{"": "x"}}, "a key has 1 to 128"},
		{"Amazon's key", ami.Input{Tags: map[string]string{"AWS:x": "x"}}, "Amazon's own"},
		{"value of 256", ami.Input{Tags: map[string]string{"k": long(256)}}, ""},
		{"value of 257", ami.Input{Tags: map[string]string{"k": long(257)}}, "longer than 256"},
		{"device twice", ami.Input{Devices: []ami.Device{{Name: "sdb", None: true}, {Name: "sdb", Size: 1}}}, "there twice"},
		{"device of nothing", ami.Input{Devices: []ami.Device{{Name: "sdb"}}}, "neither snapshot nor size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.in.Name == "" {
				c.in.Name = "web"
			}
			if c.in.Location == "" {
				c.in.Location = location
			}
			err := ami.Check(c.in)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestParseDevice(t *testing.T) {
	for _, c := range []struct {
		text string
		want ami.Device
		err  string
	}{
		{"/dev/sdb=ephemeral0", ami.Device{Name: "/dev/sdb", Virtual: "ephemeral0"}, ""},
		{"sdb=none", ami.Device{Name: "sdb", None: true}, ""},
		{"sdb=snap-1", ami.Device{Name: "sdb", Snapshot: "snap-1"}, ""},
		{"sdb=:20", ami.Device{Name: "sdb", Size: 20}, ""},
		{"sdb=snap-1:20:false:io1:300", ami.Device{Name: "sdb", Snapshot: "snap-1", Size: 20, Keep: true, Type: "io1", IOPS: 300}, ""},
		{"sdb=:20:true:gp3::encrypted", ami.Device{Name: "sdb", Size: 20, Type: "gp3", Encrypted: true}, ""},
		{"sdb", ami.Device{}, "has no value"},
		{"sdb=", ami.Device{}, "has no value"},
		{"=none", ami.Device{}, "has no name"},
		{"sdb=ephemeral", ami.Device{}, `virtual name "ephemeral"`},
		{"sdb=snap-1::::encrypted", ami.Device{}, `iops "encrypted"`},
		{"sdb=snap-1:::::encrypted", ami.Device{}, "as its snapshot is"},
		{"sdb=vol-1", ami.Device{}, `snapshot "vol-1"`},
		{"sdb=:0", ami.Device{}, `size "0"`},
		{"sdb=:-1", ami.Device{}, `size "-1"`},
		{"sdb=:2147483648", ami.Device{}, `size "2147483648"`},
		{"sdb=:1:yes", ami.Device{}, "neither true nor false"},
		{"sdb=:1:true:gp2:1:encrypted:more", ami.Device{}, "has 7 fields"},
		{"sdb=::false", ami.Device{}, "neither snapshot nor size"},
	} {
		t.Run(c.text, func(t *testing.T) {
			got, err := ami.ParseDevice(c.text)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || got != c.want {
				t.Errorf("%+v, error %v; want %+v, %q", got, err, c.want, c.err)
			}
		})
	}
}

// What EC2 would refuse of an image whose disk is in EBS is told without a request.
func TestCheckRoot(t *testing.T) {
	good := func() ami.Input {
		return ami.Input{Name: "web", Arch: "x86_64", Root: &ami.Root{Snapshot: "snap-01234567", Device: "/dev/xvda", BootMode: "uefi"}}
	}
	if err := ami.Check(good()); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(in *ami.Input){
		"kernel":            func(in *ami.Input) { in.Kernel = "aki-1" },
		"snapshot":          func(in *ami.Input) { in.Root.Snapshot = "vol-1" },
		"root device":       func(in *ami.Input) { in.Root.Device = "xvda" },
		"architecture":      func(in *ami.Input) { in.Arch = "riscv64" },
		"boot mode":         func(in *ami.Input) { in.Root.BootMode = "bios" },
		"for arm64":         func(in *ami.Input) { in.Arch, in.Root.BootMode = "arm64", "uefi-preferred" },
		"a TPM":             func(in *ami.Input) { in.Root.TPM, in.Root.BootMode = true, "legacy-bios" },
		"a volume of":       func(in *ami.Input) { in.Root.Size = -1 },
		"the description":   func(in *ami.Input) { in.Description = strings.Repeat("x", 256) },
		"is the root":       func(in *ami.Input) { in.Devices = []ami.Device{{Name: "/dev/xvda", Size: 1}} },
		"a name of 1":       func(in *ami.Input) { in.Name = "w" },
		"keys that begin":   func(in *ami.Input) { in.Tags = map[string]string{"aws:x": ""} },
		"of instance-store": func(in *ami.Input) { in.Virtualization = "paravirtual" },
	} {
		in := good()
		spoil(&in)
		if err := ami.Check(in); err == nil || !strings.Contains(err.Error(), strings.Replace(name, "kernel", "instance-store", 1)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
