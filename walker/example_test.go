package walker_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"purebundle/walker"
)

// Example walks a tree and reads a file of it afterwards.
func Example() {
	source, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(source)
	for name, text := range map[string]string{"etc/hostname": "web\n", "etc/motd": "Hello.\n", "root/.bash_history": "secret\n"} {
		file := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			log.Fatal(err)
		}
	}

	options := walker.Options{Exclude: []string{"/etc/motd"}}
	mounts, err := walker.Mounts(source, options)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range mounts {
		fmt.Println("mount", m.Path, m.Action)
	}
	tree, err := walker.Walk(context.Background(), source, options, func(e *walker.Entry) error {
		fmt.Printf("%o %s, %d bytes\n", e.Mode, e.Path, e.Size)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	defer tree.Close()
	for _, l := range append(tree.Excluded, tree.Filtered...) {
		fmt.Printf("left out: %s (%s)\n", l.Path, l.Rule)
	}
	var st unix.Stat_t
	fd, err := tree.Open("/etc/hostname", &st)
	if err != nil {
		log.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "/etc/hostname")
	defer file.Close()
	text, err := io.ReadAll(file)
	fmt.Printf("%q %v\n", text, err)

	// Output:
	// mount / crossed
	// 40700 /, 0 bytes
	// 40755 /etc, 0 bytes
	// 100644 /etc/hostname, 4 bytes
	// 40755 /root, 0 bytes
	// left out: /etc/motd (exclude /etc/motd)
	// left out: /root/.bash_history (shell history)
	// "web\n" <nil>
}
