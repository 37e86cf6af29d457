package mount

// mount(2) of Linux.

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Tmpfs mounts a tmpfs of the default size.
func Tmpfs(on string, mode uint32) error {
	return unix.Mount("tmpfs", on, "tmpfs", 0, fmt.Sprintf("mode=%o", mode))
}
