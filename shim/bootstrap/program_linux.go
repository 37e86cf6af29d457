package bootstrap

// The program that the shim runs, on Linux.

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lowest is a descriptor's number that none of the shim's own has when it starts.
const lowest = 10

// sealedProgram opens this program read-only, in a mount that belongs to no
// namespace, which is how runtime.Embed would have it started anew. The file's name
// is for the process that has it open.
func sealedProgram() (*os.File, error) {
	tree, err := unix.OpenTree(unix.AT_FDCWD, "/proc/self/exe", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("open own program: %w", err)
	}
	defer unix.Close(tree)
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return nil, fmt.Errorf("open own program: %w", err)
	}
	fd, err := unix.FcntlInt(uintptr(tree), unix.F_DUPFD_CLOEXEC, lowest)
	if err != nil {
		return nil, fmt.Errorf("open own program: %w", err)
	}
	return os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd)), nil
}
