package ship

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"purebundle/cmd/purebundle/cli"
	"purebundle/cmd/purebundle/confine"
	"purebundle/cmd/purebundle/create"
)

// statusFile is where a ship tells a machine's monitoring how it ended: a text in the
// OpenMetrics format, which node_exporter's textfile collector reads as well. It is
// written under another name and renamed, so that nobody reads half of it.
type statusFile struct {
	path  string // "": none
	began time.Time
	older int64 // when a ship succeeded, by the file that is there, in seconds since 1970; 0: unknown
}

func (s *statusFile) flag(f *pflag.FlagSet) {
	f.StringVar(&s.path, "status-file", "", "write time, bytes, parts and result to `FILE` in the OpenMetrics format, also if the run fails, as for node_exporter's textfile collector")
}

// check refuses a file that cannot be meant.
func (s *statusFile) check(dryRun bool) error {
	switch {
	case s.path == "":
		return nil
	case dryRun:
		return cli.WithHint(cli.Usagef("ship: --status-file, and --dry-run"), "a dry run writes nothing")
	}
	if err := cli.CheckLocal(s.path); err != nil {
		return cli.Usagef("ship: --status-file %s: %w", s.path, err)
	}
	st, err := os.Stat(filepath.Dir(s.path))
	if err != nil || !st.IsDir() {
		return cli.WithHint(cli.Usagef("ship: --status-file %s: its directory is not there", s.path), "that of node_exporter is what its --collector.textfile.directory says")
	}
	if st, err := os.Stat(s.path); err == nil && !st.Mode().IsRegular() {
		return cli.WithHint(cli.Usagef("ship: --status-file %s: is there, and no regular file", s.path), "name a file that is not there, or that of an earlier run")
	}
	return nil
}

// power adds to rest what it takes to write the file.
func (s *statusFile) power(rest confine.Rest) confine.Rest {
	if s.path == "" {
		return rest
	}
	dir := filepath.Dir(s.path)
	rest.Write = append(rest.Write, dir)
	rest.Capabilities = append(rest.Capabilities, confine.ForWriting(dir)...)
	return rest
}

// around calls ship, and writes the file whatever becomes of it. What ship returned is
// told first; with nothing wrong there, an error of the file is one of the run.
func (s *statusFile) around(c *options, ship func() error) error {
	if s.path == "" {
		return ship()
	}
	s.began = time.Now()
	s.older = lastSuccess(s.path)
	err := ship()
	werr := s.write(s.text(c, cli.Status(err)))
	if werr == nil {
		return err
	}
	werr = fmt.Errorf("write %s: %w", s.path, werr)
	switch {
	case err != nil:
		return cli.AddHint(err, "the status file is older: %v", werr)
	case c.done == nil:
		return werr
	}
	return &cli.LeftError{Err: werr, Left: "the bundle is complete: " + cmp.Or(c.done.Manifest, c.done.ImageID)}
}

// write puts text in the place of the file. Its directory may be another user's: a new
// file is made there, and nothing is followed.
func (s *statusFile) write(text string) (err error) {
	dir, err := os.OpenRoot(filepath.Dir(s.path))
	if err != nil {
		return err
	}
	defer dir.Close()
	name := filepath.Base(s.path)
	temp := "." + name + ".purebundle-new" // no *.prom, which is what the collector reads
	if err := dir.Remove(temp); err != nil && !os.IsNotExist(err) {
		return err
	}
	f, err := dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = dir.Remove(temp) // the error is another one
		}
	}()
	_, err = io.WriteString(f, text)
	if err == nil {
		err = f.Chmod(0o644) // whatever the umask: the collector is another user
	}
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = dir.Rename(temp, name)
	}
	return err
}

const (
	metric      = "purebundle_ship_"
	successName = metric + "last_success_timestamp_seconds"
	maxStatus   = 1 << 20 // bytes of an older file that are looked at
)

// lastSuccess returns when a ship succeeded, by an older file; 0 if that does not say.
func lastSuccess(path string) int64 {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxStatus))
	for lines.Scan() {
		name, value, ok := cli.CutLast(lines.Text(), " ")
		if seconds, err := strconv.ParseInt(value, 10, 64); ok && err == nil && strings.HasPrefix(name, successName+"{") {
			return seconds
		}
	}
	return 0
}

// text returns what the file says of a run that ended with this exit status.
func (s *statusFile) text(c *options, status int) string {
	now := time.Now()
	labels := fmt.Sprintf("{source=\"%s\",template=\"%s\"}", label(string(create.MakerOf(c.bundle.Source).Source)), label(c.template))
	var b strings.Builder
	gauge := func(name, unit, help string, value any) {
		fmt.Fprintf(&b, "# TYPE %s gauge\n", metric+name)
		if unit != "" {
			fmt.Fprintf(&b, "# UNIT %s %s\n", metric+name, unit)
		}
		fmt.Fprintf(&b, "# HELP %s %s\n%s %v\n", metric+name, help, metric+name+labels, value)
	}
	gauge("exit_status", "", "How the last run ended: 0 done, 1 failed, 3 done but something is missing.", status)
	gauge("end_timestamp_seconds", "seconds", "When the last run ended.", now.Unix())
	gauge("duration_seconds", "seconds", "How long the last run took.", strconv.FormatFloat(now.Sub(s.began).Seconds(), 'f', 3, 64))
	if c.done != nil {
		s.older = now.Unix()
	}
	if s.older != 0 {
		gauge("last_success_timestamp_seconds", "seconds", "When a run last made a bundle.", s.older)
	}
	if sum := c.done; sum != nil {
		gauge("image_size_bytes", "bytes", "Size of the image.", sum.ImageSize)
		gauge("data_bytes", "bytes", "Content of its files.", sum.Counts.DataBytes)
		gauge("read_bytes", "bytes", "Content that was read.", sum.BytesRead)
		gauge("sent_bytes", "bytes", "What was sent.", sum.SentBytes)
		gauge("read_files", "", "Files of which content was read.", sum.FilesRead)
		gauge("parts", "", "Parts that are not all zero.", sum.Parts-sum.ZeroParts)
		gauge("kept_parts", "", "Of them, parts that are those of the base.", sum.KeptParts)
		gauge("changed_parts", "", "Of them, parts that were made.", sum.Parts-sum.ZeroParts-sum.KeptParts)
		changes := 0
		for _, n := range sum.Changes {
			changes += n
		}
		gauge("changed_files", "", "Files that changed while the run looked at them.", changes)
		gauge("unreadable_files", "", "Files that are not in the image because they could not be read.", sum.Unreadable)
		gauge("warnings", "", "Warnings of the run.", sum.Warnings)
		gauge("deleted_bundles", "", "Older bundles, or images, that --keep deleted.", len(sum.Deleted))
	}
	b.WriteString("# EOF\n")
	return b.String()
}

// label returns text as the value of a label: UTF-8, with escapes.
func label(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(text, "\uFFFD"))
}
