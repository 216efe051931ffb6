package amitest

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// image is a registered image.
type image struct {
	id, name, location, arch string
	form                     url.Values // that it was registered with
	tags                     []Tag
	looks                    int    // DescribeImages that found it
	hidden                   int    // DescribeImages that did not
	number                   int    // how many were made before it
	state                    string // "": what Looks and Broken say
	protected                bool
}

// Tag is one tag of an image or a snapshot.
type Tag struct{ Key, Value string }

// Image is what tests may know of a registered image.
type Image struct {
	ID   string
	Form url.Values // that it was registered with
	Tags []Tag
}

// Images returns the images that are registered.
func (s *Server) Images() (list []Image) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.images {
		list = append(list, Image{i.id, i.form, slices.Clone(i.tags)})
	}
	return list
}

// FormTags returns the tags that a request gives under a name such as "Tag" or
// "TagSpecification.1.Tag".
func FormTags(form url.Values, name string) (tags []Tag) {
	for n := 1; form.Has(fmt.Sprintf("%s.%d.Key", name, n)); n++ {
		tags = append(tags, Tag{form.Get(fmt.Sprintf("%s.%d.Key", name, n)), form.Get(fmt.Sprintf("%s.%d.Value", name, n))})
	}
	return tags
}

// TagSet writes tags as EC2's XML has them.
func TagSet(tags []Tag) string {
	var b strings.Builder
	b.WriteString("<tagSet>")
	for _, t := range tags {
		fmt.Fprintf(&b, "<item><key>%s</key><value>%s</value></item>", Escape(t.Key), Escape(t.Value))
	}
	b.WriteString("</tagSet>")
	return b.String()
}

// SetTags returns tags with others added, which replace those of the same keys.
func SetTags(tags, more []Tag) []Tag {
	for _, t := range more {
		tags = append(slices.DeleteFunc(slices.Clone(tags), func(old Tag) bool { return old.Key == t.Key }), t)
	}
	return tags
}

// DryRun is the answer to a dry run that would have succeeded.
var DryRun = Fault{http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."}

func (s *Server) register(form url.Values) (string, *Fault) {
	name, location := form.Get("Name"), form.Get("ImageLocation")
	if at := slices.IndexFunc(s.images, func(i *image) bool { return i.name == name }); at >= 0 {
		return "", &Fault{http.StatusBadRequest, "InvalidAMIName.Duplicate", "AMI name " + name + " is already in use by AMI " + s.images[at].id}
	}
	if fault := s.checkRoot(form); fault != nil {
		return "", fault
	}
	if form.Get("DryRun") == "true" {
		return "", &DryRun
	}
	if s.Manifest != nil && location != "" {
		if wrong := s.Manifest(location); wrong != "" {
			return "", &Fault{http.StatusBadRequest, "InvalidManifest", wrong}
		}
	}
	arch := form.Get("Architecture")
	if arch == "" {
		arch = "x86_64"
	}
	i := &image{id: fmt.Sprintf("ami-%017x", 0x1a2b3c+s.made), name: name, location: location, arch: arch, form: form,
		tags: FormTags(form, "TagSpecification.1.Tag"), number: s.made}
	s.made++
	s.images = append(s.images, i)
	return Answer("RegisterImage", "<imageId>"+i.id+"</imageId>"), nil
}

// checkRoot says what is wrong with the root device of an image that is no instance-store
// one.
func (s *Server) checkRoot(form url.Values) *Fault {
	bad := func(code, format string, args ...any) *Fault {
		return &Fault{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
	}
	if form.Has("ImageLocation") {
		return nil
	}
	root := form.Get("RootDeviceName")
	for n := 1; form.Has(fmt.Sprintf("BlockDeviceMapping.%d.DeviceName", n)); n++ {
		ebs := fmt.Sprintf("BlockDeviceMapping.%d.Ebs.", n)
		id := form.Get(ebs + "SnapshotId")
		if form.Get(fmt.Sprintf("BlockDeviceMapping.%d.DeviceName", n)) != root || id == "" {
			continue
		}
		gib, completed, known := int64(0), false, false
		if s.Snapshot != nil {
			gib, completed, known = s.Snapshot(id)
		}
		size, _ := strconv.ParseInt(form.Get(ebs+"VolumeSize"), 10, 64)
		switch {
		case form.Get("DryRun") == "true" && !known:
			return nil // permissions come before that
		case !known:
			return bad("InvalidSnapshot.NotFound", "The snapshot '%s' does not exist.", id)
		case !completed:
			return bad("IncorrectState", "Snapshot '%s' is not 'completed'.", id)
		case form.Has(ebs + "Encrypted"):
			return bad("InvalidParameterCombination", "the parameter encrypted cannot be used with the root snapshot")
		case size != 0 && size < gib:
			return bad("InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot '%s', expect size >= %dGB", size, id, gib)
		case form.Get("BootMode") != "" && form.Get("BootMode") != "legacy-bios" && form.Get("VirtualizationType") != "hvm":
			return bad("InvalidParameterCombination", "UEFI needs virtualization type hvm")
		}
		return nil
	}
	return bad("InvalidBlockDeviceMapping", "The request must contain a snapshot for the root device %q.", root)
}

func (s *Server) deregister(form url.Values) (string, *Fault) {
	id := form.Get("ImageId")
	at := slices.IndexFunc(s.images, func(i *image) bool { return i.id == id })
	switch {
	case at < 0:
		return "", &Fault{http.StatusBadRequest, "InvalidAMIID.Unavailable", "The image id '[" + id + "]' is no longer available"}
	case form.Get("DryRun") == "true":
		return "", &DryRun
	case s.images[at].protected:
		return "", &Fault{http.StatusBadRequest, "OperationNotPermitted", "The image is protected against deregistration"}
	}
	s.images = slices.Delete(s.images, at, at+1)
	return Answer("DeregisterImage", "<return>true</return>"), nil
}

// tag gives images tags; those of snapshots are for Actions.
func (s *Server) tag(form url.Values) (string, *Fault) {
	id := form.Get("ResourceId.1")
	if do := s.Actions["CreateTags"]; do != nil && strings.HasPrefix(id, "snap-") {
		return do(form)
	}
	at := slices.IndexFunc(s.images, func(i *image) bool { return i.id == id })
	switch {
	case at < 0:
		return "", &Fault{http.StatusBadRequest, "InvalidAMIID.NotFound", "The image id '[" + id + "]' does not exist"}
	case form.Get("DryRun") == "true":
		return "", &DryRun
	}
	s.images[at].tags = SetTags(s.images[at].tags, FormTags(form, "Tag"))
	return Answer("CreateTags", "<return>true</return>"), nil
}

// Set gives an image a state, and protection against being deregistered or none.
func (s *Server) Set(id, state string, protected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.images {
		if i.id == id {
			i.state, i.protected = state, protected
		}
	}
}

// snapshots returns the snapshots of an image's devices.
func (i *image) snapshots() (ids []string) {
	for n := 1; i.form.Has(fmt.Sprintf("BlockDeviceMapping.%d.DeviceName", n)); n++ {
		if id := i.form.Get(fmt.Sprintf("BlockDeviceMapping.%d.Ebs.SnapshotId", n)); id != "" {
			ids = append(ids, id)
		}
	}
	return ids
}

// Uses returns the id of an image that has a snapshot, "" if none has.
func (s *Server) Uses(snapshot string) string {
	for _, i := range s.images {
		if slices.Contains(i.snapshots(), snapshot) {
			return i.id
		}
	}
	return ""
}

// template does DescribeLaunchTemplateVersions of one template, all of its versions.
func (s *Server) template(form url.Values) (string, *Fault) {
	name := form.Get("LaunchTemplateName")
	images, known := s.Templates[cmp.Or(name, form.Get("LaunchTemplateId"))]
	switch {
	case !known && name != "":
		return "", &Fault{http.StatusBadRequest, "InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name " + name + ", does not exist."}
	case !known:
		return "", &Fault{http.StatusBadRequest, "InvalidLaunchTemplateId.NotFound", "The specified launch template does not exist."}
	case form.Get("DryRun") == "true":
		return "", &DryRun
	}
	var items strings.Builder
	for n, id := range images {
		if parameter, ok := strings.CutPrefix(id, "resolve:ssm:"); ok && form.Get("ResolveAlias") == "true" {
			id = s.Parameters[parameter]
		}
		fmt.Fprintf(&items, "<item><launchTemplateName>%s</launchTemplateName><versionNumber>%d</versionNumber><launchTemplateData><imageId>%s</imageId></launchTemplateData></item>", Escape(name), n+1, Escape(id))
	}
	return Answer("DescribeLaunchTemplateVersions", "<launchTemplateVersionSet>"+items.String()+"</launchTemplateVersionSet>"), nil
}

// Match says whether what has these tags, and values of other filters, one a line, is what
// the filters of a request want.
func Match(form url.Values, tags []Tag, other map[string]string) bool {
	for n := 1; form.Has(fmt.Sprintf("Filter.%d.Name", n)); n++ {
		name := form.Get(fmt.Sprintf("Filter.%d.Name", n))
		var values []string
		for v := 1; form.Has(fmt.Sprintf("Filter.%d.Value.%d", n, v)); v++ {
			values = append(values, form.Get(fmt.Sprintf("Filter.%d.Value.%d", n, v)))
		}
		like := func(text string) bool {
			return slices.ContainsFunc(values, func(v string) bool { return matches(v, text) })
		}
		has := slices.ContainsFunc(tags, func(t Tag) bool {
			return name == "tag-key" && like(t.Key) || name == "tag:"+t.Key && like(t.Value)
		})
		if value, known := other[name]; known {
			has = slices.ContainsFunc(strings.Split(value, "\n"), like)
		}
		if !has {
			return false
		}
	}
	return true
}

// matches says whether a filter's value, in which * and ? are wildcards unless there is a
// backslash before them, is that of text.
func matches(value, text string) bool {
	var b strings.Builder
	for at := 0; at < len(value); at++ {
		switch c := value[at]; {
		case c == '*':
			b.WriteString("(?s:.*)")
		case c == '?':
			b.WriteString("(?s:.)")
		case c == '\\' && at+1 < len(value):
			at++
			b.WriteString(regexp.QuoteMeta(value[at : at+1]))
		default:
			b.WriteString(regexp.QuoteMeta(value[at : at+1]))
		}
	}
	return regexp.MustCompile(`\A` + b.String() + `\z`).MatchString(text)
}

func (s *Server) describe(form url.Values) (string, *Fault) {
	if form.Get("DryRun") == "true" {
		return "", &DryRun
	}
	var items strings.Builder
	for n := 1; form.Has(fmt.Sprintf("ImageId.%d", n)); n++ {
		id := form.Get(fmt.Sprintf("ImageId.%d", n))
		at := slices.IndexFunc(s.images, func(i *image) bool { return i.id == id })
		if at < 0 || s.images[at].hidden < s.Hidden {
			if at >= 0 {
				s.images[at].hidden++
			}
			return "", &Fault{http.StatusBadRequest, "InvalidAMIID.NotFound", "The image id '[" + id + "]' does not exist"}
		}
		s.put(&items, s.images[at])
	}
	next := ""
	if !form.Has("ImageId.1") {
		from, _ := strconv.Atoi(form.Get("NextToken"))
		for at, i := range s.images {
			switch {
			case at < from || next != "":
			case at >= from+cmp.Or(s.Page, 1000):
				next = fmt.Sprintf("<nextToken>%d</nextToken>", at)
			case Match(form, i.tags, map[string]string{"name": i.name, "image-id": i.id, "block-device-mapping.snapshot-id": strings.Join(i.snapshots(), "\n")}):
				s.put(&items, i)
			}
		}
	}
	return Answer("DescribeImages", "<imagesSet>"+items.String()+"</imagesSet>"+next), nil
}

// first is when the first image was made; each later one was made an hour after the last.
var first = time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC)

// put writes an image, one look further on its way.
func (s *Server) put(b *strings.Builder, i *image) {
	state, reason := "pending", ""
	if i.looks >= s.Looks {
		state = "available"
		if s.Broken != "" {
			state = s.Broken
			reason = "<stateReason><code>Client.InternalError</code><message>part 3 of 9: digest does not match</message></stateReason>"
		}
	}
	if i.looks++; i.state != "" {
		state = i.state
	}
	protection := "disabled"
	if i.protected {
		protection = "enabled-without-cooldown"
	}
	kind, devices := "instance-store", ""
	if i.location == "" {
		kind = "ebs"
	}
	for n := 1; i.form.Has(fmt.Sprintf("BlockDeviceMapping.%d.DeviceName", n)); n++ {
		devices += fmt.Sprintf("<item><deviceName>%s</deviceName><ebs><snapshotId>%s</snapshotId></ebs></item>", Escape(i.form.Get(fmt.Sprintf("BlockDeviceMapping.%d.DeviceName", n))),
			Escape(i.form.Get(fmt.Sprintf("BlockDeviceMapping.%d.Ebs.SnapshotId", n))))
	}
	fmt.Fprintf(b, `<item><imageId>%s</imageId><imageLocation>%s</imageLocation><imageState>%s</imageState><imageOwnerId>123456789012</imageOwnerId>`+
		`<isPublic>false</isPublic><architecture>%s</architecture><imageType>machine</imageType><name>%s</name>%s<rootDeviceType>%s</rootDeviceType>`+
		`<blockDeviceMapping>%s</blockDeviceMapping>%s<creationDate>%s</creationDate><deregistrationProtection>%s</deregistrationProtection></item>`,
		i.id, Escape(i.location), state, i.arch, Escape(i.name), reason, kind, devices, TagSet(i.tags), first.Add(time.Duration(i.number)*time.Hour).Format("2006-01-02T15:04:05.000Z"), protection)
}

// Escape writes text as XML has it.
func Escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}

// Answer returns the answer to an action.
func Answer(action, content string) string {
	return fmt.Sprintf(`<%[1]sResponse xmlns="http://ec2.amazonaws.com/doc/%[2]s/"><requestId>%[3]s</requestId>%[4]s</%[1]sResponse>`, action, apiVersion, requestID, content)
}
