package rootfs

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What is mounted into a container as a device of the host is that device: by its
// number, not by its name, and not a file that is there (CVE-2025-31133).
func TestHostNode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	file := filepath.Join(t.TempDir(), "null")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/dev/zero", link); err != nil {
		t.Fatal(err)
	}
	null := unix.Mkdev(1, 3)
	for path, is := range map[string]bool{"/dev/null": true, "/dev/zero": false, file: false, link: false, "/dev": false, "/nowhere": false} {
		fd, err := hostNode(path, null)
		if (err == nil) != is || (fd >= 0) != is {
			t.Errorf("hostNode(%s) = %d, %v; is it the null device? %v", path, fd, err, is)
		}
		if err == nil {
			_ = unix.Close(fd)
		}
	}
	// A file whose number, as it has none, would be the same.
	if fd, err := hostNode(file, 0); err == nil {
		_ = unix.Close(fd)
		t.Error("a file is the device 0:0")
	}
}
