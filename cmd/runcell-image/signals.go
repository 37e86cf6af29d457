package main

// Signals that ask a command to end: it takes back what is half made, and its
// exit status says which signal it was.

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/image"
	"github.com/urfave/cli/v3"
	"golang.org/x/sys/unix"
)

// insist is how many signals end the program on the spot: taking back may hang,
// too. "runcell run --image" sends one of its own after that of the terminal.
const insist = 3

// interrupted is the cause of a context that a signal has ended.
type interrupted struct{ signal syscall.Signal }

func (i *interrupted) Error() string { return "interrupted by " + unix.SignalName(i.signal) }

// interruptible makes a command's action end with those signals, and say what it
// waits for.
func interruptible(act cli.ActionFunc) cli.ActionFunc {
	return func(ctx context.Context, cmd *cli.Command) error {
		ctx, stop := catch(ctx)
		defer stop()
		ctx = image.WithWaits(ctx, func(what string) {
			fmt.Fprintln(cmd.Root().ErrWriter, "runcell: wait until "+cmdline.OneLine(what))
		})
		err := act(ctx, cmd)
		var why *interrupted
		if err == nil || !errors.As(context.Cause(ctx), &why) {
			return err
		}
		return cmdline.WithCode(err, 128+int(why.signal))
	}
}

// catch ends a context when a signal comes. What the caller ignores, as nohup(1)
// does, stays ignored.
func catch(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	come := make(chan os.Signal, insist)
	for _, s := range []os.Signal{unix.SIGHUP, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(come, s)
		}
	}
	over := make(chan struct{})
	go func() {
		for range insist - 1 {
			select {
			case s := <-come:
				cancel(&interrupted{s.(syscall.Signal)}) // of several causes the first one counts
			case <-over:
				return
			}
		}
		signal.Stop(come) // the next one has its default effect
	}()
	return ctx, func() {
		signal.Stop(come)
		close(over)
		cancel(nil)
	}
}
