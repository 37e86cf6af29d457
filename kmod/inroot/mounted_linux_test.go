package inroot

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// What is mounted in a tree that is removed is not the tree's.
func TestRemoveStopsAtMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for kind, mount := range map[string]func(point string) error{
		"another file system": func(point string) error { return unix.Mount("tmpfs", point, "tmpfs", 0, "") },
		"the same one":        func(point string) error { return unix.Mount(t.TempDir(), point, "", unix.MS_BIND, "") },
	} {
		dir := t.TempDir()
		point := dir + "/a/b/volume"
		if err := errors.Join(os.MkdirAll(point, 0o755), mount(point)); err != nil {
			t.Fatal(err)
		}
		unmount := func() error { return unix.Unmount(point, unix.MNT_DETACH) }
		t.Cleanup(func() { _ = unmount() })
		if err := os.WriteFile(point+"/precious", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		tree := openTree(t, dir)
		if err := tree.Remove("a"); !errors.Is(err, ErrMounted) {
			t.Errorf("%s: Remove = %v; want %v", kind, err, ErrMounted)
		}
		if _, err := os.Lstat(point + "/precious"); err != nil {
			t.Errorf("%s: the mounted file: %v", kind, err)
		}
		if err := errors.Join(unmount(), tree.Remove("a")); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
