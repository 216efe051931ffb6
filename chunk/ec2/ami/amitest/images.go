package amitest

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// image is a registered image.
type image struct {
	id, name, location, arch string
	looks                    int // DescribeImages that found it
	hidden                   int // DescribeImages that did not
}

func (s *Server) register(form url.Values) (string, *Fault) {
	name, location := form.Get("Name"), form.Get("ImageLocation")
	if at := slices.IndexFunc(s.images, func(i *image) bool { return i.name == name }); at >= 0 {
		return "", &Fault{http.StatusBadRequest, "InvalidAMIName.Duplicate", "AMI name " + name + " is already in use by AMI " + s.images[at].id}
	}
	if form.Get("DryRun") == "true" {
		return "", &Fault{http.StatusPreconditionFailed, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."}
	}
	if s.Manifest != nil {
		if wrong := s.Manifest(location); wrong != "" {
			return "", &Fault{http.StatusBadRequest, "InvalidManifest", wrong}
		}
	}
	arch := form.Get("Architecture")
	if arch == "" {
		arch = "x86_64"
	}
	i := &image{id: fmt.Sprintf("ami-%017x", 0x1a2b3c+len(s.images)), name: name, location: location, arch: arch}
	s.images = append(s.images, i)
	return fmt.Sprintf(`<RegisterImageResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>%s</requestId><imageId>%s</imageId></RegisterImageResponse>`,
		requestID, i.id), nil
}

func (s *Server) describe(form url.Values) (string, *Fault) {
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
	if !form.Has("ImageId.1") {
		for _, i := range s.images {
			if i.name == form.Get("Filter.1.Value.1") {
				s.put(&items, i)
			}
		}
	}
	return fmt.Sprintf(`<DescribeImagesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>%s</requestId><imagesSet>%s</imagesSet></DescribeImagesResponse>`,
		requestID, items.String()), nil
}

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
	i.looks++
	fmt.Fprintf(b, `<item><imageId>%s</imageId><imageLocation>%s</imageLocation><imageState>%s</imageState><imageOwnerId>123456789012</imageOwnerId>`+
		`<isPublic>false</isPublic><architecture>%s</architecture><imageType>machine</imageType><name>%s</name>%s<rootDeviceType>instance-store</rootDeviceType></item>`,
		i.id, escape(i.location), state, i.arch, escape(i.name), reason)
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
