package hostroot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

// lostMounts is a kernel with a mount whose directory was removed: no path
// leads to it any more, and it keeps the root busy.
type lostMounts struct {
	Kernel
	root string
}

func (k lostMounts) table() ([]mountEntry, error) {
	return []mountEntry{{kind: fsNull, on: k.root}, {kind: fsTmpfs, on: k.root + "/dev"}}, nil
}

func (k lostMounts) mountOf(*inroot.Place) (mountEntry, error) {
	return mountEntry{kind: fsNull, on: k.root}, nil
}

func (k lostMounts) unmount(path string, _ bool) error {
	if path == k.root {
		return unix.EBUSY
	}
	return unix.ENOENT
}

func shortPatience(t *testing.T) {
	t.Helper()
	old := unmountPatience
	unmountPatience = 10 * time.Millisecond
	t.Cleanup(func() { unmountPatience = old })
}

func TestLostMountIsNamed(t *testing.T) {
	shortPatience(t)
	k := lostMounts{root: filepath.Join(t.TempDir(), DirName)}
	if err := os.Mkdir(k.root, 0o700); err != nil {
		t.Fatal(err)
	}
	err := Unmount(k, k.root, nil)
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), k.root+`/dev"`) {
		t.Errorf("unmount = %v; want EBUSY and the lost mount's name", err)
	}
}
