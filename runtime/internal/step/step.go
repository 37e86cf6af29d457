// Package step tells what a command does while it does it: `--debug` shows every
// step, and says what is waited for. A step that is done is a point at which the
// fault tests kill runcell, too. It never changes what a command does, and
// nothing depends on what it tells.
package step

import (
	"slices"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/runtime/internal/fault"
)

// Done says that the step of that name is done.
func Done(name string) {
	Say("done: %s", name)
	fault.Point(name)
}

// Say tells something about what is being done. Under --debug only: its
// arguments have to cost nothing.
func Say(format string, args ...any) { log.L.Debugf(format, args...) }

// Program shows a child's program, from fork to exec.
func Program(names []string) {
	if !log.L.Logger.IsLevelEnabled(log.DebugLevel) {
		return
	}
	for _, name := range slices.Compact(slices.Clone(names)) {
		Say("the child's step: %s", name)
	}
}
