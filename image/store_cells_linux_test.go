// What was mounted in a cell's root file system.

package image

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A mount that was left in a cell's root is not emptied.
func TestReleaseKeepsMounts(t *testing.T) {
	s := newStore(t)
	volumeImage(t, s)
	path, spec := makeBundle(t, s, "v", RootfsCopy)
	at := spec.Root.Path + "/data"
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
		t.Fatalf("mount: %v (this test needs root)", err)
	}
	os.WriteFile(at+"/precious", nil, 0o644)
	err := Release(s, path)
	if _, e := os.Lstat(at + "/precious"); e != nil || err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("error %v; the mounted file: %v", err, e)
	}
	if err := unix.Unmount(at, 0); err != nil {
		t.Fatal(err)
	}
	if err := Release(s, path); err != nil {
		t.Error(err)
	}
}
