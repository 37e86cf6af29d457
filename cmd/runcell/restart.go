package main

// runcell run that stays: it starts the program again, and keeps its log. No
// daemon is behind it; it is the process that waits for the program anyway.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/supervise"
	"github.com/netbsd-cells/runcell/oci"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

func superviseFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "restart", Usage: "start the program again when it has ended: `no|on-failure[:N]|always`, N times in a row at most"},
		&cli.StringFlag{Name: "log-file", Usage: "append what the program prints to `FILE`, which is opened anew when it was moved, and on SIGHUP"},
		&cli.StringFlag{Name: "syslog", Usage: "send what the program prints to syslogd as `FACILITY.LEVEL[,TAG]`"},
		&cli.StringFlag{Name: "lock-file", Usage: "hold a lock on `FILE`, with this process's number in it: a second runcell on it ends at once"},
		&cmdline.TimeFlag{Name: "stop-time", Value: stopPatience, Usage: "when runcell is to end, kill what has not ended after `TIME`"},
	}
}

// supervision is what these flags say.
type supervision struct {
	policy   supervise.Policy
	sink     func() (supervise.Sink, error) // nil = the program has our own streams
	own      bool                           // the sink is the file of --log, too
	patience time.Duration
	lock     *heldLock
}

// supervision reads the command's flags; nil = none is given.
func (a *app) supervision(cmd *cli.Command, flags []cli.Flag, id string) (*supervision, error) {
	given := false
	for _, f := range flags { // asked by themselves, as to look for one by its name looks at all
		if f.IsSet() && cmd.Bool("detach") {
			return nil, fmt.Errorf("--%s needs a runcell that stays, and --detach ends it: leave --detach out, or declare a service (runcell service)", f.Names()[0])
		}
		given = given || f.IsSet()
	}
	if !given {
		return nil, nil //nolint:nilnil // none is no error
	}
	s := &supervision{patience: cmd.Duration("stop-time")}
	var err error
	if s.policy, err = supervise.ParsePolicy(cmd.String("restart")); err != nil {
		return nil, err
	}
	var file string
	if err := absolute(cmd, map[string]*string{"log-file": &file}); err != nil {
		return nil, err
	}
	s.own = file != "" && file == cmd.Root().String("log")
	s.sink, err = logSink(file, cmd.String("syslog"), id)
	return s, err
}

// logSink says where a log goes, if it is one of the two.
func logSink(file, syslog, id string) (func() (supervise.Sink, error), error) {
	switch {
	case file != "" && syslog != "":
		return nil, errors.New("--log-file and --syslog exclude each other: give one of them")
	case file != "":
		return func() (supervise.Sink, error) { return supervise.OpenFile(file) }, nil
	case syslog != "":
		y, err := supervise.ParseSyslog(syslog, id)
		return y.Open, err
	}
	return nil, nil
}

// keeper keeps one container's program going.
type keeper struct {
	engine
	o       runtime.CreateOptions
	s       *supervision
	log     *supervise.Log // nil = none
	stderr  io.Writer
	stdin   *os.File
	signals chan syscall.Signal
	// created is when the last life's container was made, which is still there;
	// zero = there is none of ours.
	created time.Time
	lives   int  // that have begun
	asked   bool // somebody has stopped or deleted it
}

// superviseRun is run until the program is not to be started again, or this
// process is told to end.
func (a *app) superviseRun(ctx context.Context, e engine, o runtime.CreateOptions, s *supervision) (kept bool, err error) {
	k := &keeper{engine: e, o: o, s: s, stderr: a.Stderr, stdin: a.streams[0], signals: make(chan syscall.Signal, 64)}
	if err := noTerminal(o.Bundle); err != nil {
		return false, err
	}
	if s.sink != nil {
		if err := k.openLog(); err != nil {
			return false, err
		}
		defer func() { err = joinErrors(err, k.log.Close()) }()
		if s.own {
			back := a.Journal.Divert(k.log.In)
			defer back()
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if err := o.Signals.PassTo(k.pass); err != nil {
		return false, err
	}
	k.o.Signals, k.o.Keep = nil, true
	over := make(chan struct{})
	defer close(over)
	go k.heed(cancel, over)
	status, err := supervise.Loop{Policy: s.policy, Once: k.once, Over: k.over, Say: k.say}.Run(ctx)
	var why *runtime.Interrupted
	if err != nil && errors.As(context.Cause(ctx), &why) {
		err = cmdline.WithCode(err, why.ExitStatus())
	}
	if err == nil {
		err = s.lock.tell(status, k.asked || ctx.Err() != nil)
	}
	kept = err == nil && o.Keep
	return kept, asStatus(status, joinErrors(err, k.end(kept)))
}

// noTerminal: nobody is at a terminal for as long as a program is kept going, and
// what a terminal shows is no log.
func noTerminal(bundle string) error {
	cfg, err := oci.LoadFile(filepath.Join(bundle, "config.json"))
	if err == nil && cfg.Process != nil && cfg.Process.Terminal {
		err = errors.New("a program with a terminal (process.terminal, --tty) is not kept going, and has no log: take one of the two away")
	}
	return err
}

func (k *keeper) openLog() error {
	sink, err := k.s.sink()
	if err != nil {
		return err
	}
	if k.log, err = supervise.NewLog(k.o.ID, sink); err != nil {
		return errors.Join(err, sink.Close())
	}
	k.o.Streams = &runtime.Streams{In: k.stdin, Out: k.log.In, Err: k.log.In}
	return nil
}

// say puts a line into the log.
func (k *keeper) say(line string) {
	if k.log != nil {
		k.log.Say(line)
		return
	}
	fmt.Fprintf(k.stderr, "runcell: %s %s\n", k.o.ID, line)
}

// once is a life of the container. What is left of the last one stays until
// here, so that "runcell stop" and "runcell list" find it.
func (k *keeper) once(ctx context.Context) (status int, err error) {
	if k.created.IsZero() {
		return k.live(ctx)
	}
	k.created = time.Time{}
	err = k.Delete(ctx, k.o.ID, false)
	if errors.Is(err, runtime.ErrNotExist) {
		k.asked = true
		return 1, supervise.ErrOver // somebody was about to delete it when over looked
	}
	if err != nil {
		return 1, err
	}
	return k.live(ctx)
}

func (k *keeper) live(ctx context.Context) (status int, err error) {
	k.o.Restarts = k.lives
	k.lives++
	if status, err = k.Run(ctx, k.o); err != nil {
		return status, err // nothing is left of it
	}
	s, err := k.State(k.o.ID)
	if err == nil {
		k.created = s.Created
		k.sayDenied()
	}
	return status, unlessGone(err)
}

// sayDenied keeps what goes with the container: what was denied to it, before the
// line that says how it ended.
func (k *keeper) sayDenied() {
	cells, err := cellsOf(k.engine, k.o.ID, false)
	if err != nil {
		return // it has none any more, or never came to have one
	}
	for _, c := range cells {
		s, err := k.CellStats(c.ID)
		if err != nil {
			continue
		}
		if d := deniedTo(c, &s); d.Total > 0 {
			k.say(d.line())
		}
	}
}

// over: somebody has stopped or deleted the container, and perhaps made another
// one of its name.
func (k *keeper) over() (bool, error) {
	over, err := k.isOver()
	k.asked = k.asked || over
	return over, err
}

func (k *keeper) isOver() (bool, error) {
	if k.created.IsZero() {
		return false, nil // it could not be made
	}
	s, err := k.State(k.o.ID)
	if errors.Is(err, runtime.ErrNotExist) || err == nil && !s.Created.Equal(k.created) {
		k.created = time.Time{}
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return k.StopAsked(k.o.ID)
}

// end leaves nothing behind, or, where the container is kept, no process.
func (k *keeper) end(kept bool) error {
	if kept {
		_, err := k.Stop(context.Background(), k.o.ID, runtime.StopOptions{})
		return unlessGone(err)
	}
	return k.remove(context.Background())
}

func (k *keeper) remove(ctx context.Context) error {
	if k.created.IsZero() {
		return nil
	}
	k.created = time.Time{}
	return unlessGone(k.Delete(ctx, k.o.ID, false))
}

func unlessGone(err error) error {
	if errors.Is(err, runtime.ErrNotExist) {
		return nil
	}
	return err
}

// pass takes a signal of this process, and never waits.
func (k *keeper) pass(sig syscall.Signal) {
	select {
	case k.signals <- sig:
	default: // nobody sends as many
	}
}

// heed does what signals ask for: to end, to open the log anew; others are the
// program's.
func (k *keeper) heed(cancel context.CancelCauseFunc, over <-chan struct{}) {
	asked := 0
	for {
		select {
		case <-over:
			return
		case sig := <-k.signals:
			switch {
			case sig == syscall.SIGHUP && k.log != nil:
				k.log.Reopen()
			case sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT || sig == syscall.SIGHUP:
				asked++
				cancel(&runtime.Interrupted{Signal: sig})
				go k.stop(over, asked)
			default:
				_ = k.Kill(k.o.ID, sig, false) // it may have ended
			}
		}
	}
}

// stop stops the container in whatever state it comes to be, the second time at
// once.
func (k *keeper) stop(over <-chan struct{}, asked int) {
	patience := k.s.patience
	if asked > 1 {
		patience = 0
	}
	const again, long = 20 * time.Millisecond, 50
	for tries := 0; ; tries++ {
		_, err := k.Stop(context.Background(), k.o.ID, runtime.StopOptions{Patience: patience})
		if err == nil || errors.Is(err, runtime.ErrNotExist) {
			return
		}
		if tries == long { // it is not just being made
			k.say("can't be stopped: " + err.Error())
		}
		select {
		case <-over:
			return
		case <-time.After(again):
		}
	}
}
