package runtime

// Unmounting on NetBSD, which has no lazy way.

import "golang.org/x/sys/unix"

// detach unmounts on the host, which has one mount table for all.
func detach(dir string) error { return unix.Unmount(dir, 0) }
