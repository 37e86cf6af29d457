package bundle_test

// What was mounted in a cell's root file system.

import (
	"os"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"golang.org/x/sys/unix"
)

// A mount that was left in a cell's root is not emptied.
func TestReleaseKeepsMounts(t *testing.T) {
	s := story.NewStore(t)
	volumeImage(t, s)
	path, spec := story.MakeBundle(t, s, "v", bundle.RootfsCopy)
	at := spec.Root.Path + "/data"
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, ""); err != nil {
		t.Fatalf("mount: %v (this test needs root)", err)
	}
	os.WriteFile(at+"/precious", nil, 0o644)
	err := bundle.Release(s, path)
	if _, e := os.Lstat(at + "/precious"); e != nil || err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("error %v; the mounted file: %v", err, e)
	}
	if err := unix.Unmount(at, 0); err != nil {
		t.Fatal(err)
	}
	if err := bundle.Release(s, path); err != nil {
		t.Error(err)
	}
}
