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
	dir := t.TempDir()
	point := dir + "/a/b/volume"
	if err := errors.Join(os.MkdirAll(point, 0o755), unix.Mount("tmpfs", point, "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	unmount := func() error { return unix.Unmount(point, unix.MNT_DETACH) }
	t.Cleanup(func() { _ = unmount() })
	if err := os.WriteFile(point+"/precious", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tree := openTree(t, dir)
	if err := tree.Remove("a"); !errors.Is(err, ErrMounted) {
		t.Errorf("Remove = %v; want %v", err, ErrMounted)
	}
	if _, err := os.Lstat(point + "/precious"); err != nil {
		t.Errorf("the mounted file: %v", err)
	}
	if err := errors.Join(unmount(), tree.Remove("a")); err != nil {
		t.Error(err)
	}
}
