package snapshots

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What is mounted in a tree is not ours to remove.
func TestRemoveKeepsMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	s := open(t, t.TempDir(), "")
	n, err := s.Prepare(t.Context(), "a", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	point := n.Mounts[0].Source + "/m"
	if err := errors.Join(os.Mkdir(point, 0o755), unix.Mount("tmpfs", point, "tmpfs", 0, "")); err != nil {
		t.Fatal(err)
	}
	put(t, point+"/precious", "x")
	err = s.Remove("a")
	if _, e := os.Lstat(point + "/precious"); e != nil || err == nil || !strings.Contains(err.Error(), "mounted") {
		t.Errorf("Remove = %v; the mounted file: %v", err, e)
	}
	if err := unix.Unmount(point, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove("a"); err != nil {
		t.Error(err)
	}
}
