package signals

// Catching signals, from a command's first step to its end.

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/kmod/stdstream"
	"golang.org/x/sys/unix"
)

// Interrupted is the cause of a context that a signal has ended.
type Interrupted struct{ Signal syscall.Signal }

func (e *Interrupted) Error() string { return "interrupted by " + Name(e.Signal) }

// ExitStatus is the one that shells give a command which a signal has ended.
func (e *Interrupted) ExitStatus() int { return 128 + int(e.Signal) }

// insist is how many signals end a command on the spot, whatever it is doing:
// taking back may hang, too.
const insist = 3

// Catcher catches the signals of one command.
type Catcher struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
	ch     chan os.Signal
	ready  chan struct{} // closed when the early ones are caught
	all    chan struct{} // closed when all are
	over   chan struct{} // closed by Close and Leave: no more are caught
	closed chan struct{} // closed by Close: none is handled
	began  time.Time
	early  []syscall.Signal // caught before there is a program

	mu      sync.Mutex
	to      func(syscall.Signal) // nil = there is no program yet
	waiting []syscall.Signal     // for the program
	asked   int                  // how often somebody asked to end
}

// maxWaiting is how many signals wait for a program. It bounds memory; nobody
// sends as many.
const maxWaiting = 256

// Catch catches signals from now until Close. The context ends, with Interrupted
// as its cause, at the first that asks to end before PassTo; others that are likely
// then wait for the program. SIGHUP and SIGINT stay ignored where the caller ignores
// them, as nohup(1) does and a shell for what it runs in the background.
func Catch(ctx context.Context, p Purpose) (context.Context, *Catcher) {
	c := &Catcher{
		ch: make(chan os.Signal, maxWaiting), began: time.Now(), early: early(p),
		ready: make(chan struct{}), all: make(chan struct{}), over: make(chan struct{}), closed: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	c.catch(caught(ending))
	go func() {
		defer close(c.ready)
		c.catch(c.early)
	}()
	go func() {
		for {
			select {
			case s := <-c.ch:
				if sig, ok := s.(syscall.Signal); ok {
					c.handle(sig)
				}
			case <-c.closed:
				return
			}
		}
	}()
	return c.ctx, c
}

// catch stops early at Close and Leave.
func (c *Catcher) catch(list []syscall.Signal) {
	for _, s := range list {
		select {
		case <-c.over:
			return
		default:
		}
		if !signal.Ignored(s) {
			signal.Notify(c.ch, s)
		}
	}
}

// settled is how long a program has to run for anybody to send it a rare signal.
// One that ends before does not pay for catching them: a tenth of its `run`. On a
// machine that is busy everything takes longer, so it is at least twice what it
// took to get here, but never more than settledMost.
const settled, settledMost = 10 * time.Millisecond, 100 * time.Millisecond

// catchRest catches what only a program that runs is sent.
func (c *Catcher) catchRest() {
	defer close(c.all)
	select {
	case <-c.over:
		return
	case <-time.After(min(max(settled, 2*time.Since(c.began)), settledMost)):
	}
	for _, s := range lost() {
		ignore(s)
	}
	c.catch(late(c.early))
}

func (c *Catcher) handle(s syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s == unix.SIGPIPE && stdstream.Unread(unix.Stderr): // of what we said ourselves: nobody has sent it
	case c.to != nil:
		c.to(s)
	case Ends(s):
		c.cancel(&Interrupted{s})
		if c.asked++; c.asked >= insist {
			signal.Reset(s)
			_ = syscall.Kill(os.Getpid(), s)
		}
	case len(c.waiting) < maxWaiting:
		c.waiting = append(c.waiting, s)
	}
}

// PassTo has every signal go to a program from now on, those that waited first.
// It fails with the Interrupted of a context that has ended before. A nil Catcher
// catches nothing, and has nothing to pass.
func (c *Catcher) PassTo(program func(syscall.Signal)) error {
	if c == nil {
		return nil
	}
	<-c.ready
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := context.Cause(c.ctx); err != nil {
		return err
	}
	c.to = program
	for _, s := range c.waiting {
		program(s)
	}
	c.waiting = nil
	go c.catchRest()
	return nil
}

// Close lets signals have their default effect again.
func (c *Catcher) Close() {
	<-c.ready
	close(c.over)
	close(c.closed)
	signal.Stop(c.ch)
	c.cancel(nil)
}

// Leave is Close for a process that ends now: to give each signal back would
// cost it the thread switches of catching it once more, so a signal that comes
// has its default effect by then, and none that does not costs anything. Nothing
// else of the process may catch signals.
func (c *Catcher) Leave() {
	close(c.over)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = func(s syscall.Signal) {
		signal.Reset(s)
		_ = syscall.Kill(os.Getpid(), s)
	}
	c.waiting = nil
}

// Name gives a signal's name, or its number where it has none.
func Name(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(s))
}
