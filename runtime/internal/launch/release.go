package launch

// start's half of a launch: the child that create left waiting goes on.

import (
	"errors"
	"fmt"
	"time"

	"github.com/netbsd-cells/runcell/runtime/internal/exeseal"
	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/step"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
)

// execPatience is how long the program may take from release to exec; a test
// shortens it.
var execPatience = 30 * time.Second

// Release lets the process of a created container exec its program, and waits
// until it has: it writes to the FIFO, and the exec closes the child's end of
// it. The error names the step that failed instead.
func Release(c *state.Container) error {
	fd, err := sys.Open(c.Path(state.FifoFile), unix.O_WRONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ENXIO) {
		return errors.New("its process is running already, or gone")
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", state.FifoFile, err)
	}
	defer sys.CloseFD(fd)
	// Open before the process goes on: what it says is kept as long as somebody
	// has the FIFO.
	report, err := sys.Open(c.Path(state.ErrorFile), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", state.ErrorFile, err)
	}
	defer sys.CloseFD(report)
	if _, err := unix.Write(fd, []byte{1}); err != nil {
		return fmt.Errorf("release process: %w", err)
	}
	step.Say("wait until process %d executes the program", c.Pid)
	if err := awaitHangup(fd, c.Path(state.FifoFile)); err != nil {
		return err
	}
	if err := process.ReadStageError(report, c.Steps()); err != nil {
		return err
	}
	return exeseal.RefuseSelf(c.Pid)
}
