package bundle_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
)

// The file system is written to the disk once the tree is whole, and before
// the file that says so.
func TestSync(t *testing.T) {
	layout := imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "x"}))
	for _, noSync := range []bool{false, true} {
		path, calls := filepath.Join(t.TempDir(), "bundle"), 0
		bundle.WatchSync(t, func() {
			calls++
			if _, err := os.Lstat(filepath.Join(path, "rootfs", "f")); err != nil {
				t.Errorf("synced too early: %v", err)
			}
			if _, err := os.Lstat(filepath.Join(path, "config.json")); err == nil {
				t.Errorf("synced too late: the bundle has %s", "config.json")
			}
		})
		if _, err := bundle.Unpack(t.Context(), layout, path, bundle.UnpackOptions{NoSync: noSync}); err != nil {
			t.Fatal(err)
		}
		if (calls == 0) != noSync {
			t.Errorf("NoSync %v: synced %d times", noSync, calls)
		}
	}
}
