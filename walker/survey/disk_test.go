package survey_test

import (
	"testing"

	"purebundle/ext2img/imgtest"
)

// debian makes a disk as Debian's cloud images have it, but for sizes.
func debian(t testing.TB) string {
	t.Helper()
	image := blank(t, 128<<20)
	imgtest.Run(t, "sgdisk", "-a", "1", "-n", "14:2048:+3M", "-t", "14:ef02", "-n", "15:8192:+20M", "-t", "15:ef00", "-n", "1:131072:0",
		"-t", "1:8304", "-c", "15:EFI system", "-c", "1:root-äß€", "-A", "1:set:2", "-A", "1:set:63", image)
	imgtest.Run(t, "mkfs.ext4", "-q", "-L", "root", "-E", "offset=67108864", image, "60M")
	imgtest.Run(t, "mkfs.vfat", "-n", "UEFI", "--offset", "8192", image, "20480")
	imgtest.Patch(t, image, 0, []byte{0xeb, 0x63, 0x90})
	return image
}

func TestReadGPT(t *testing.T) {
	image := debian(t)
	d := mustRead(t, image)
	if n := likeSgdisk(t, image, d); n != 3 {
		t.Errorf("%d partitions", n)
	}
	if d.BIOS != 1 || d.ESP != 2 || d.Root != -1 || d.Boot != -1 || d.BootCode[0] != 0xeb || len(d.Notes) != 0 || d.SectorSize != 512 || d.Size != 128<<20 {
		t.Errorf("%+v", d)
	}
	for _, i := range []int{0, 2} {
		p := d.Partitions[i]
		likeBlkid(t, image, p.Start, p.Size, p.FileSystem)
	}
	if d.Partitions[1].FileSystem != nil {
		t.Errorf("%+v in the BIOS boot partition", d.Partitions[1].FileSystem)
	}
}
