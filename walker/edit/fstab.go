package edit

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// Fstab edits an fstab. Above each line that it changes stands a comment that says so; a
// line that no longer holds is commented out.
func (f *Facts) Fstab(text []byte) ([]byte, []Change, error) {
	t := fstab{facts: f}
	for line := range bytes.Lines(text) {
		t.lines = append(t.lines, parse(string(line)))
	}
	t.judge()
	if t.isEmpty() && len(f.New) > 0 && f.Makes(FstabNew) {
		return t.begin(text), t.done, nil
	}
	if len(t.done) == 0 {
		return text, nil, nil
	}
	var out bytes.Buffer
	for i := range t.lines {
		t.write(&out, &t.lines[i])
	}
	return out.Bytes(), t.done, nil
}

// isEmpty says whether there is no line but comments.
func (t *fstab) isEmpty() bool {
	return !slices.ContainsFunc(t.lines, func(l line) bool { return len(l.at) > 0 })
}

// begin returns the text with the first lines that it gets.
func (t *fstab) begin(text []byte) []byte {
	out := slices.Clone(text)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	for _, l := range t.facts.New {
		out = append(out, l+"\n"...)
		t.done.add(FstabNew, short(l))
	}
	return out
}

// Device returns the name by which an fstab has something mounted at a path, as it stands
// there; "" if it has no such line.
func Device(text []byte, where string) string {
	for l := range bytes.Lines(text) {
		if l := parse(string(l)); len(l.at) > 2 && l.where() == where {
			return l.what()
		}
	}
	return ""
}

// Tag splits a name such as UUID=… or /dev/disk/by-uuid/… into "UUID" and what follows;
// kind is "" if it is none of UUID, LABEL, PARTUUID, PARTLABEL.
func Tag(spec string) (kind, value string) { return tag(spec) }

// fstab is one while it is edited.
type fstab struct {
	facts  *Facts
	lines  []line
	root   string   // what the line of root names as its device
	absent []string // mount points of devices that do not come along
	done   changes
}

// line is a line of fstab. Its fields are what, where, type, options, dump, pass.
type line struct {
	text, end string   // end is "\n", "\r\n", or "" for a last line without it
	at        [][2]int // the fields, as they stand in text; none in a comment

	why     []string // what was changed, for the comment above
	comment bool     // it is commented out
}

func parse(text string) (l line) {
	l.text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	l.end = text[len(l.text):]
	if strings.HasPrefix(strings.TrimLeft(l.text, " \t"), "#") {
		return l
	}
	for i := 0; i < len(l.text); {
		n := strings.IndexAny(l.text[i:], " \t")
		if n < 0 {
			n = len(l.text) - i
		}
		if n > 0 {
			l.at = append(l.at, [2]int{i, i + n})
		}
		i += n + 1
	}
	return l
}

// field returns a field as it stands there, "" if there is none.
func (l *line) field(i int) string {
	if i >= len(l.at) {
		return ""
	}
	return l.text[l.at[i][0]:l.at[i][1]]
}

// set replaces a field; one that is missing is added if it is the next.
func (l *line) set(i int, value string) {
	var text string
	if i < len(l.at) {
		text = l.text[:l.at[i][0]] + value + l.text[l.at[i][1]:]
	} else {
		end := len(strings.TrimRight(l.text, " \t"))
		text = l.text[:end] + "\t" + value + l.text[end:]
	}
	why, end := l.why, l.end
	*l = parse(text)
	l.why, l.end = why, end
}

// plain undoes the escapes of a field: those that getmntent(3) knows.
var plain = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`)

func (l *line) what() string { return plain.Replace(l.field(0)) }

// where returns the mount point, "" if it is none.
func (l *line) where() string {
	if p := plain.Replace(l.field(1)); strings.HasPrefix(p, "/") {
		return path.Clean(p)
	}
	return ""
}

func (l *line) has(option string) bool {
	return slices.Contains(splitOptions(l.field(3)), option)
}

// isDevice says whether what the line mounts is on disks that it names.
func (l *line) isDevice() bool { return isDevice(l.what()) || l.field(2) == "zfs" }

func (l *line) isSwap() bool { return l.field(2) == "swap" }

// waited says whether a boot waits for the line, and fails without it.
func (l *line) waited() bool {
	return !l.has("noauto") && !l.has("nofail") && !l.has("x-systemd.automount")
}

// isNetwork says whether what looks like a device lies on another machine.
func (l *line) isNetwork() bool { return l.has("_netdev") }

// judge decides on each line. Those with devices come first, because others lie below
// their mount points.
func (t *fstab) judge() {
	for i := range t.lines {
		if l := &t.lines[i]; len(l.at) > 1 && l.where() == "/" {
			t.root = l.what()
		}
	}
	for i := range t.lines {
		if l := &t.lines[i]; len(l.at) > 2 && (l.isDevice() || l.where() == "/" || slices.Contains(t.facts.Merged, l.where())) {
			t.judgeDevice(l)
		}
	}
	for i := range t.lines {
		if l := &t.lines[i]; len(l.at) > 2 && l.why == nil && !l.isDevice() {
			t.judgePath(l)
		}
	}
}

// judgeDevice decides on a line that is about a device, or root, or what is in root now.
func (t *fstab) judgeDevice(l *line) {
	f, where := t.facts, l.where()
	switch v := t.along(l); {
	case where == "/":
		t.editRoot(l)
	case l.isSwap():
		if !l.has("noauto") && !l.has("nofail") && v == nil {
			t.commentOut(l, FstabAbsent, "this swap does not come along")
		} else if v != nil {
			t.named(l, v)
		}
	case where != "" && slices.Contains(f.Merged, where):
		t.commentOut(l, FstabMerged, "what was in "+where+" is in the file system of "+f.into(where)+" now")
	case f.converts() && (l.what() == t.root || f.Source.had(l.what())):
		t.commentOut(l, FstabMerged, "the "+f.Source.Type+" that "+where+" was of is the ext4 of / now")
	case v != nil:
		if t.named(l, v); v.Ext4 && v.isOther() {
			t.convert(l)
		}
	case !l.isNetwork():
		if where != "" {
			t.absent = append(t.absent, where)
		}
		t.needNot(l, "its device does not come along")
	}
}

// judgePath decides on a line that is about a directory or file: of what may be absent.
func (t *fstab) judgePath(l *line) {
	what := l.what()
	if l.where() == "/" || !strings.HasPrefix(what, "/") || strings.HasPrefix(what, "//") || l.isNetwork() {
		return
	}
	what = path.Clean(what)
	if l.isSwap() && slices.Contains(t.facts.Swap, what) && !l.has("noauto") && !l.has("nofail") {
		t.commentOut(l, FstabAbsent, "this swap file is not in the image")
	}
	for _, dir := range t.absent {
		if what == dir || strings.HasPrefix(what, dir+"/") {
			t.needNot(l, "the device of "+dir+" does not come along")
			return
		}
	}
}

// along returns the volume that a line names if it comes along, else nil.
func (t *fstab) along(l *line) *Volume {
	for _, v := range append([]Volume{t.facts.Root}, t.facts.Along...) {
		if v.had(l.what()) {
			return &v
		}
	}
	return nil
}

// named gives the device of a line a name that holds.
func (t *fstab) named(l *line, v *Volume) {
	if !v.Finds(l.what()) && v.UUID != "" {
		t.rename(l, "UUID="+v.UUID)
	}
}

// editRoot edits the line of root.
func (t *fstab) editRoot(l *line) {
	if now, ok := t.facts.renamed(l.what()); ok && isDevice(l.what()) {
		t.rename(l, now)
	}
	if t.facts.converts() {
		t.convert(l)
	}
}

// convert makes a line that of an ext4.
func (t *fstab) convert(l *line) {
	if !t.facts.Makes(FstabType) {
		return
	}
	var why []string
	if was := l.field(2); !hasType(was) {
		l.set(2, "ext4")
		why = append(why, "type ext4 instead of "+short(was))
	}
	if list := l.field(3); list != "" {
		kept, dropped := forExt4(list)
		if len(dropped) > 0 {
			if kept == "" {
				kept = "defaults"
			}
			l.set(3, kept)
			why = append(why, "without "+short(strings.Join(dropped, ",")))
		}
	}
	if why != nil {
		t.note(l, FstabType, strings.Join(why, ", "))
	}
}

// rename gives the device of a line another name.
func (t *fstab) rename(l *line, name string) {
	if t.facts.Makes(UUID) {
		was := l.field(0)
		l.set(0, name)
		t.note(l, UUID, name+" instead of "+short(was))
	}
}

// needNot lets a boot go on without a line.
func (t *fstab) needNot(l *line, why string) {
	if !t.facts.Makes(FstabAbsent) || !l.waited() {
		return
	}
	switch list := l.field(3); list {
	case "":
		l.set(3, "defaults,nofail")
	default:
		l.set(3, list+",nofail")
	}
	t.note(l, FstabAbsent, "nofail, "+why)
}

func (t *fstab) commentOut(l *line, name, why string) {
	if t.facts.Makes(name) {
		l.comment = true
		t.note(l, name, "commented out, "+short(why))
	}
}

func (t *fstab) note(l *line, name, why string) {
	l.why = append(l.why, why)
	what := l.where()
	if what == "" {
		what = l.what()
	}
	t.done.add(name, short(what)+": "+why)
}

// write writes a line, and above it what was done to it.
func (t *fstab) write(out *bytes.Buffer, l *line) {
	if l.why == nil {
		out.WriteString(l.text + l.end)
		return
	}
	end := l.end
	if end == "" {
		end = "\n"
		if first := t.lines[0].end; first != "" {
			end = first
		}
	}
	oneLine := strings.NewReplacer("\n", " ", "\r", " ")
	out.WriteString("# purebundle: " + oneLine.Replace(strings.Join(l.why, "; ")) + end)
	if l.comment {
		out.WriteByte('#')
	}
	out.WriteString(l.text + l.end)
}
