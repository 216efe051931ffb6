package survey_test

import (
	"bytes"
	"fmt"

	"purebundle/walker/survey"
)

// A disk of 1 MiB with one partition, from sector 8 on.
func ExampleRead() {
	image := make([]byte, 1<<20)
	copy(image[440:], "\x0d\xf0\xad\x8b") // its signature
	copy(image[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 8, 0, 0, 0, 100, 0, 0, 0})
	copy(image[510:], "\x55\xaa")

	disk, err := survey.Read(bytes.NewReader(image), int64(len(image)), 512)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range disk.Partitions {
		fmt.Printf("%s, partition %d: type %s, PARTUUID %s, %d bytes at %d\n", disk.Table, p.Number, p.Type, p.UUID, p.Size, p.Start)
	}
	fmt.Printf("%d bytes before it\n", disk.Gap.Size)
	// Output:
	// dos, partition 1: type 83, PARTUUID 8badf00d-01, 51200 bytes at 4096
	// 3584 bytes before it
}

// The disk of this machine, if it has one that can be told.
func ExampleOf() {
	m, err := survey.Of("/")
	if err != nil {
		fmt.Println(err)
		return
	}
	if m.Disk == nil {
		fmt.Println(m.Why)
		return
	}
	root := m.Disk.Partitions[m.Disk.Root]
	fmt.Println(m.Disk.Path, root.Device, m.Root.Type, m.Root.UUID)
}
