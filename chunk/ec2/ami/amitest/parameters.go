package amitest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
)

const apiVersion = "2016-11-15"

// Forms of values.
const (
	anything = `(?s).*`
	boolean  = `true|false`
	number   = `[0-9]{1,9}`
)

// parameter is a parameter that an action has; of a list, N stands for a number.
type parameter struct{ name, form string }

// parameters are those that the API reference documents, by action.
var parameters = map[string][]parameter{
	"RegisterImage": {
		{"Name", `[A-Za-z0-9()\[\] ./'@_-]{3,128}`},
		{"ImageLocation", `[^/]+/.+`},
		{"Description", `(?s).{0,255}`},
		{"Architecture", `i386|x86_64|arm64|x86_64_mac|arm64_mac`},
		{"KernelId", `aki-.+`},
		{"RamdiskId", `ari-.+`},
		{"RootDeviceName", anything},
		{"VirtualizationType", `hvm|paravirtual`},
		{"DryRun", boolean},
		{"BillingProduct.N", anything},
		{"BootMode", `legacy-bios|uefi|uefi-preferred`},
		{"EnaSupport", boolean},
		{"ImdsSupport", `v2\.0`},
		{"SriovNetSupport", anything},
		{"TpmSupport", `v2\.0`},
		{"UefiData", anything},
		{"BlockDeviceMapping.N.DeviceName", `.+`},
		{"BlockDeviceMapping.N.VirtualName", `ephemeral[0-9]+`},
		{"BlockDeviceMapping.N.NoDevice", anything},
		{"BlockDeviceMapping.N.Ebs.SnapshotId", `snap-.+`},
		{"BlockDeviceMapping.N.Ebs.VolumeSize", number},
		{"BlockDeviceMapping.N.Ebs.VolumeType", `standard|io1|io2|gp2|sc1|st1|gp3`},
		{"BlockDeviceMapping.N.Ebs.Iops", number},
		{"BlockDeviceMapping.N.Ebs.Throughput", number},
		{"BlockDeviceMapping.N.Ebs.DeleteOnTermination", boolean},
		{"BlockDeviceMapping.N.Ebs.Encrypted", boolean},
		{"TagSpecification.N.ResourceType", `image|snapshot`},
		{"TagSpecification.N.Tag.N.Key", `(?s).{1,128}`},
		{"TagSpecification.N.Tag.N.Value", `(?s).{0,256}`},
	},
	"DeregisterImage": {
		{"ImageId", `ami-[0-9a-f]+`},
		{"DeleteAssociatedSnapshots", boolean},
		{"DryRun", boolean},
	},
	"DescribeSnapshots": {
		{"SnapshotId.N", `snap-[0-9a-f]+`},
		{"Owner.N", `self|amazon|[0-9]{12}`},
		{"RestorableBy.N", `self|all|[0-9]{12}`},
		{"Filter.N.Name", `tag:.+|tag-key|status|snapshot-id|owner-id|description|volume-size|encrypted`},
		{"Filter.N.Value.N", anything},
		{"MaxResults", number},
		{"NextToken", anything},
		{"DryRun", boolean},
	},
	"DeleteSnapshot": {
		{"SnapshotId", `snap-[0-9a-f]+`},
		{"DryRun", boolean},
	},
	"CreateTags": {
		{"ResourceId.N", `(ami|snap)-[0-9a-f]+`},
		{"Tag.N.Key", `(?s).{1,128}`},
		{"Tag.N.Value", `(?s).{0,256}`},
		{"DryRun", boolean},
	},
	"DescribeLaunchTemplateVersions": {
		{"LaunchTemplateId", `lt-[0-9a-f]+`},
		{"LaunchTemplateName", `[A-Za-z0-9()./_-]{3,128}`},
		{"LaunchTemplateVersion.N", `[0-9]+|\$Latest|\$Default`},
		{"ResolveAlias", boolean},
		{"MaxResults", number},
		{"NextToken", anything},
		{"DryRun", boolean},
	},
	"DescribeImages": {
		{"ImageId.N", `ami-[0-9a-f]+`},
		{"Owner.N", `self|amazon|aws-marketplace|[0-9]{12}`},
		{"ExecutableBy.N", anything},
		{"Filter.N.Name", `name|image-id|state|owner-id|manifest-location|tag:.+|tag-key|block-device-mapping\.snapshot-id`},
		{"Filter.N.Value.N", anything},
		{"IncludeDeprecated", boolean},
		{"IncludeDisabled", boolean},
		{"MaxResults", number},
		{"NextToken", anything},
		{"DryRun", boolean},
	},
}

// required are the parameters that an action cannot do without.
var required = map[string][]string{"RegisterImage": {"Name"}, "DeregisterImage": {"ImageId"}, "DeleteSnapshot": {"SnapshotId"}, "CreateTags": {"ResourceId.1", "Tag.1.Key"}}

var index = regexp.MustCompile(`\.[1-9][0-9]*(\.|$)`)

// checkParameters returns the error of a request that the API does not know.
func checkParameters(form url.Values) *Fault {
	bad := func(code, format string, args ...any) *Fault {
		return &Fault{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
	}
	action := form.Get("Action")
	known, ok := parameters[action]
	if !ok {
		return bad("InvalidAction", "The action %s is not valid for this web service.", action)
	}
	if v := form.Get("Version"); v != apiVersion {
		return bad("NoSuchVersion", "The requested version (%s) of service AmazonEC2 does not exist", v)
	}
	for _, name := range required[action] {
		if !form.Has(name) {
			return bad("MissingParameter", "The request must contain the parameter %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if name == "Action" || name == "Version" {
			continue
		}
		general := index.ReplaceAllString(name, ".N$1")
		at := slices.IndexFunc(known, func(p parameter) bool { return p.name == general })
		if at < 0 {
			return bad("UnknownParameter", "The parameter %s is not recognized", name)
		}
		if len(form[name]) != 1 || !regexp.MustCompile(`^(?:`+known[at].form+`)$`).MatchString(form[name][0]) {
			return bad("InvalidParameterValue", "Value (%q) for parameter %s is invalid.", form[name], name)
		}
	}
	return nil
}
