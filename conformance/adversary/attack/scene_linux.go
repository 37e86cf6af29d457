package attack

// What a scene has of Linux: nothing of its own.

import "golang.org/x/sys/unix"

// systemOpenings are those that only one system has: none here.
func systemOpenings() []opening { return nil }

// unfix takes modes off files that their owner can't remove otherwise. The
// emulation sets no flags.
func unfix(dir string) {
	for _, name := range []string{"", "/file", "/dir"} {
		_ = unix.Chmod(dir+name, 0o700)
	}
}
