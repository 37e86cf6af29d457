package bundle_test

// What changed, told of a store that only can be read.

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"golang.org/x/sys/unix"
)

func TestDiffOfReadOnlyStore(t *testing.T) {
	s := story.NewStore(t)
	story.Import(t, s, "x", imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	b, _, err := story.Unpack(t, "x", bundle.UnpackOptions{Store: s.Path()})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b, "rootfs/new"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount(s.Path(), s.Path(), "", unix.MS_BIND, ""); err != nil {
		t.Fatalf("mount: %v (this test needs root)", err)
	}
	defer func() {
		if err := unix.Unmount(s.Path(), 0); err != nil {
			t.Error(err)
		}
	}()
	if err := unix.Mount("", s.Path(), "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	list, err := bundle.Diff(t.Context(), b, bundle.DiffOptions{})
	if err != nil || len(list) != 2 || list[1].Path != "/new" {
		t.Errorf("diff gives %v, %v", list, err)
	}
}
