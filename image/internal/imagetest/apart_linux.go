package imagetest

// Mounts of its own for a package's tests. Tools such as buildah mount overlays
// below the tests' directory, where they would stay if the tests were cut off.

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"

	"golang.org/x/sys/unix"
)

// apartVar marks the run that has mounts of its own.
const apartVar = "RUNCELL_IMAGE_TEST_APART"

// apart runs this program again with mounts of its own, which end with it, and
// gives its status. Only root can have them.
func apart() (status int, done bool) {
	if os.Getenv(apartVar) != "" || os.Geteuid() != 0 {
		return 0, false
	}
	runtime.LockOSThread() // the thread whose end is the child's
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), apartVar+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT) // go test asks so for a trace
	err := cmd.Start()
	if err == nil {
		go func() {
			for s := range signals {
				_ = cmd.Process.Signal(s)
			}
		}()
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "run the tests with mounts of their own:", err)
		return 1, true
	}
	if status = cmd.ProcessState.ExitCode(); status < 0 { // by a signal
		status = 1
	}
	return status, true
}
