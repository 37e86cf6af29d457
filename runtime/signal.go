package runtime

// Signals as users write them, and those that a command catches.

import (
	"context"
	"syscall"

	"github.com/netbsd-cells/runcell/kmod/signame"
	"github.com/netbsd-cells/runcell/runtime/internal/signals"
	"golang.org/x/sys/unix"
)

// Signals are those that a command gets itself, see CatchSignals.
type Signals = signals.Catcher

// Interrupted is the error of a command that a signal has ended, and that has
// taken back what it did.
type Interrupted = signals.Interrupted

// CatchSignals catches the signals that this process gets, until Close. Given
// to Run or Exec in their options, they go to the program once that runs.
// Before, and in every command that has the context alone, one that asks to end
// ends the context, and so the command, with an Interrupted.
func CatchSignals(ctx context.Context) (context.Context, *Signals) {
	return signals.Catch(ctx, signals.Passing)
}

// CatchInterrupts is CatchSignals for a command that stays with no program: fewer are
// caught, and each of them costs some time.
func CatchInterrupts(ctx context.Context) (context.Context, *Signals) {
	return signals.Catch(ctx, signals.Ending)
}

// ParseSignal reads a signal as kill(1) does: a number, or a name with or
// without SIG, in any case. The empty string is SIGTERM.
func ParseSignal(s string) (syscall.Signal, error) {
	if s == "" {
		return unix.SIGTERM, nil
	}
	return signame.Parse(s)
}
