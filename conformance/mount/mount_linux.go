// Package mount makes the mounts that cases try or need.
package mount

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Tmpfs mounts a tmpfs of the default size.
func Tmpfs(on string, mode uint32) error {
	return unix.Mount("tmpfs", on, "tmpfs", 0, fmt.Sprintf("mode=%o", mode))
}
