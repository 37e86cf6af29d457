// Package monitor keeps the exit status of a container's process where the
// kernel does not (a published secmodel_cell): one small process a container
// waits for its end, writes how it ended to the state directory, and ends. It
// is a fork of create that execs nothing and holds two descriptors.
//
// It never signals or reaps the process that it watches, and no command
// depends on it but `wait`.
package monitor

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"time"

	"github.com/netbsd-cells/runcell/runtime/internal/process"
	"github.com/netbsd-cells/runcell/runtime/internal/state"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
)

const (
	// exitSize is how many bytes the file holds in the end: the wait(2) status
	// as kevent(2) gives it. It is empty until then.
	exitSize = 8
	// patience is how long the status may be late.
	patience = 2 * time.Second
)

// ErrLost is the error of a status that nobody will write any more.
var ErrLost = errors.New("its process has ended, and its monitor too: the status is lost")

// Starter starts the monitor of a process, which writes to the file of that
// path. It returns when the process is being watched: one that has not been
// released yet can't end unseen.
type Starter func(pid int, path string) (*process.Child, error)

// Status waits until a container's monitor has written how its process ended,
// as wait(2) has it. known is false for a container that has no monitor.
func Status(ctx context.Context, c *state.Container) (status uint32, known bool, err error) {
	var late time.Time
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		// Looked at before the file is: the status is written after the end.
		alive, err := c.Alive()
		if err != nil {
			return 0, false, err
		}
		ended := !alive
		b, err := sys.ReadFile(c.Path(state.ExitFile))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return 0, false, nil
		case err != nil:
			return 0, false, err
		case len(b) == exitSize:
			return uint32(binary.NativeEndian.Uint64(b)), true, nil
		case ended && late.IsZero():
			late = time.Now().Add(patience)
		case ended && time.Now().After(late):
			return 0, false, ErrLost
		}
		select {
		case <-ctx.Done():
			return 0, false, ctx.Err()
		case <-time.After(pause):
		}
	}
}
