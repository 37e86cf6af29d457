// Mounting on the host, which on Linux is the case's own mount namespace.

package runtime

import "golang.org/x/sys/unix"

func mountTmpfs(t *t, dir string) {
	t.Must("mount tmpfs", unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
}
