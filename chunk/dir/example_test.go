package dir_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"purebundle/chunk/dir"
)

// Two files appear together: readers see both or none.
func Example() {
	top, err := os.MkdirTemp("", "example")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(top)
	path := filepath.Join(top, "out")

	s, err := dir.Begin(path, dir.Options{Group: "web", Last: "web.index"})
	if err != nil {
		panic(err)
	}
	defer s.Abort() // nothing after Publish
	data := dir.Item{Key: "web.data", Name: "web.data"}
	if _, err := s.Put(context.Background(), data, []byte("content")); err != nil {
		panic(err)
	}
	index := dir.Item{Name: "web.index", Text: []byte("one file: web.data\n")}
	if err := s.Publish(context.Background(), []dir.Item{data, index}); err != nil {
		panic(err)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		fmt.Println(e.Name())
	}
	// Output:
	// web.data
	// web.index
}
