package walker

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// BundleRule is the rule of a manifest that is left out, and with it all that it names.
const BundleRule = "older bundle, with its parts"

// Bundles counts older bundles: manifests of this program whose parts all lie beside them. Each night's would be in the next night's.
type Bundles struct {
	Count int
	Bytes int64 // on disk, of their parts
}

// Bounds of what is read to tell a manifest from a file that is called like one, in bytes: anybody can make such files.
const (
	maxManifest  = 32 << 20
	maxManifests = 256 << 20 // all of a walk
)

const unreadManifest = "not looked at, as there are more than 256 MiB of manifests: if it is that of an older bundle, its parts are in the image"

// manifestKind is a format of bundles.
type manifestKind struct {
	suffix   string // of the manifest's name, after that of the image
	sums     string // suffix of the file of digests, "" if there is none
	partSize int64  // bytes of each part, 0 if it is not known
	read     func(r io.Reader, prefix string, part func(name string) bool) error
}

var manifestKinds = []manifestKind{
	{".manifest.json", ".sha256", 10 << 20, readJSONManifest},
	{".manifest.xml", "", 0, readXMLManifest},
}

// partInfix stands between the name of an image and the number of a part.
const partInfix = ".part."

// errNoManifest says that a file is no manifest of a bundle that is complete.
var errNoManifest = errors.New("no manifest")

// markBundles marks those names of a directory that belong to complete bundles.
func (w *walker) markBundles(f *frame) {
	if w.bundles || f.fd < 0 || f.scope.kept || f.scope.left != "" {
		return
	}
	for i := range f.list {
		text := f.text[f.list[i].off:f.list[i].end]
		for k := range manifestKinds {
			if prefix, ok := bytes.CutSuffix(text, []byte(manifestKinds[k].suffix)); ok && len(prefix) > 0 {
				w.markBundle(f, &manifestKinds[k], i, string(prefix))
			}
		}
	}
}

// markBundle marks the manifest at index i of f.list, and what it names, if its bundle is complete.
func (w *walker) markBundle(f *frame, kind *manifestKind, i int, prefix string) {
	if first, _ := f.find(prefix + partInfix); first == len(f.list) || !strings.HasPrefix(f.name(first), prefix+partInfix) {
		return
	}
	found := bundle{w: w, f: f, kind: kind, prefix: prefix}
	name := f.name(i)
	var st unix.Stat_t
	if f.spot.kid([]byte(name)) != nil || w.rules.judge(&f.scope, name, other).kept {
		return
	}
	fd, err := f.root.openFile(f.fd, name, &st)
	if err != nil {
		return // the walk meets it again
	}
	file := os.NewFile(uintptr(fd), name)
	defer file.Close()
	if st.Size > maxManifest {
		return
	}
	if w.manifests += st.Size; w.manifests > maxManifests {
		w.warn(string(w.path)+"/"+name, unreadManifest)
		return
	}
	found.uid = st.Uid
	if kind.read(io.LimitReader(file, maxManifest), prefix, found.part) != nil || found.parts == 0 {
		return
	}
	if kind.sums != "" {
		found.add(prefix+kind.sums, 0)
	}
	for _, i := range append(found.names, i) {
		f.list[i].bundled = true
	}
	w.tree.Bundles.Count++
	w.tree.Bundles.Bytes += found.bytes
	w.rooms.excluded.add(string(w.path)+"/"+name, &w.tree.Omitted.Excluded, func(path string) {
		w.tree.Excluded = append(w.tree.Excluded, Left{path, BundleRule, found.bytes})
	})
}

// bundle collects what a manifest names.
type bundle struct {
	w      *walker
	f      *frame
	kind   *manifestKind
	prefix string
	uid    uint32 // of the manifest's owner: nobody can have files of others left out
	names  []int  // in f.list
	parts  int
	bytes  int64
}

// part takes note of the next part, and returns false if it is not there.
func (b *bundle) part(name string) bool {
	number, ok := strings.CutPrefix(name, b.prefix+partInfix)
	if n, err := strconv.ParseUint(number, 10, 31); !ok || err != nil || int(n) != b.parts {
		return false
	}
	b.parts++
	return b.add(name, b.kind.partSize)
}

// add takes note of a regular file of the given size, 0 for any, that has the manifest's owner, and returns false if there is none.
func (b *bundle) add(name string, size int64) bool {
	i, ok := b.f.find(name)
	if !ok || b.f.spot.kid([]byte(name)) != nil {
		return false
	}
	var st unix.Statx_t
	if statx(b.f.fd, name, b.f.root.statFlags, &st) != nil || b.f.root.otherMount(&st) {
		return false
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != b.uid || size != 0 && st.Size != uint64(size) {
		return false
	}
	b.names = append(b.names, i)
	b.bytes += int64(st.Blocks) * 512
	return true
}

// name returns the name at an index of the list.
func (n *names) name(i int) string { return string(n.text[n.list[i].off:n.list[i].end]) }

// find returns the index of a name in the sorted list, or of the next one and false.
func (n *names) find(text string) (int, bool) {
	return slices.BinarySearchFunc(n.list, text, func(e name, text string) int {
		return strings.Compare(string(n.text[e.off:e.end]), text)
	})
}

// readJSONManifest calls part for each part that a manifest of the bundles of prefix names, and returns an error if it is none. It holds
// one value at a time.
func readJSONManifest(r io.Reader, prefix string, part func(name string) bool) error {
	dec := json.NewDecoder(r)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errNoManifest
	}
	var tool, named string
	for dec.More() {
		key, err := dec.Token()
		switch {
		case err != nil:
		case key == "tool":
			err = dec.Decode(&tool)
		case key == "prefix":
			err = dec.Decode(&named)
		case key == "parts":
			err = readJSONParts(dec, part)
		default:
			err = skipJSON(dec)
		}
		if err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil || named != prefix || !strings.HasPrefix(tool, "purebundle ") {
		return errNoManifest
	}
	return nil
}

func readJSONParts(dec *json.Decoder, part func(name string) bool) error {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return errNoManifest
	}
	for dec.More() {
		var p struct{ Name string }
		if err := dec.Decode(&p); err != nil || !part(p.Name) {
			return errNoManifest
		}
	}
	_, err := dec.Token()
	return err
}

// skipJSON passes over one value.
func skipJSON(dec *json.Decoder) error {
	for depth := 0; ; {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('['), json.Delim('{'):
			depth++
		case json.Delim(']'), json.Delim('}'):
			depth--
		}
		if depth == 0 {
			return nil
		}
	}
}

// readXMLManifest does what readJSONManifest does, for Amazon's format.
func readXMLManifest(r io.Reader, prefix string, part func(name string) bool) error {
	dec := xml.NewDecoder(r)
	dec.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // names of parts are ASCII
	const maxDepth = 8
	var at []string
	var text []byte
	for {
		token, err := dec.Token()
		if err == io.EOF && len(at) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if at, text = append(at, t.Name.Local), text[:0]; len(at) > maxDepth || at[0] != "manifest" {
				return errNoManifest
			}
		case xml.CharData:
			text = append(text, t...)
		case xml.EndElement:
			if strings.Join(at, "/") == "manifest/image/parts/part/filename" && !part(strings.TrimSpace(string(text))) {
				return errNoManifest
			}
			at, text = at[:len(at)-1], text[:0]
		case xml.Comment, xml.Directive:
			return errNoManifest
		}
	}
}
