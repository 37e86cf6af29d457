package runtime

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lostMounts is a kernel with a mount whose directory was removed: no path
// leads to it any more, and it keeps the root busy.
type lostMounts struct{ mountKernel }

func (lostMounts) table() ([]mountEntry, error) {
	return []mountEntry{{kind: fsNull, on: "/state/a/rootfs"}, {kind: fsTmpfs, on: "/state/a/rootfs/dev"}}, nil
}

func (lostMounts) unmount(path string) error {
	if path == "/state/a/rootfs" {
		return unix.EBUSY
	}
	return unix.ENOENT
}

func TestLostMountIsNamed(t *testing.T) {
	defer func(old time.Duration) { unmountPatience = old }(unmountPatience)
	unmountPatience = 10 * time.Millisecond
	err := unmountHostRoot(lostMounts{}, "/state/a/rootfs", nil)
	if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), `"/state/a/rootfs/dev"`) {
		t.Errorf("unmount = %v; want EBUSY and the lost mount's name", err)
	}
}
