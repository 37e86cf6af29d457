package imagetest

// Mounts of its own for a package's tests. Tools such as buildah mount overlays
// below the tests' directory, where they would stay if the tests were cut off.

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// apartVar marks the run that has mounts of its own.
const apartVar = "RUNCELL_IMAGE_TEST_APART"

// apart begins this program anew with mounts of its own, which end with it. Only
// root can have them. It is still the same process, so that signals and the exit
// status need nobody between.
func apart() error {
	if os.Getenv(apartVar) != "" || os.Geteuid() != 0 {
		return nil
	}
	self, err := os.Executable()
	if err == nil {
		err = os.Setenv(apartVar, "1")
	}
	if err != nil {
		return err
	}
	runtime.LockOSThread() // that has them
	if err := errors.Join(unix.Unshare(unix.CLONE_NEWNS), unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")); err != nil {
		return err
	}
	if err := unix.Exec(self, os.Args, os.Environ()); !errors.Is(err, unix.ENOEXEC) {
		return err
	}
	return nil // another machine's program, which something else runs: it goes on without
}
