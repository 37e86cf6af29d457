package console

// A terminal of a container's process, joined with our own standard streams for
// as long as the process lives. This is the one place where runcell touches a
// terminal of its caller.
//
// In the background of a shell the terminal is another's: runcell neither reads
// from it nor changes its modes then. It ignores SIGTTIN and SIGTTOU (see main),
// so it is never stopped: a stopped command would keep the container's lock, and
// on NetBSD the cell, whose first process it has to reap.

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/netbsd-cells/runcell/kmod/stdstream"
	"github.com/netbsd-cells/runcell/runtime/internal/sys"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

const (
	// quiet is how long nothing has to come, once the process has ended, for
	// its output to be complete: where others still hold the terminal, nobody
	// says so.
	quiet = 100 * time.Millisecond
	// lastOutput bounds, in bytes, what is read after the end: more than any
	// terminal buffers. The rest is of others, who may go on for ever.
	lastOutput = 1 << 20
	// firstPause and lastPause are how often a terminal that nobody has open is
	// looked at.
	firstPause, lastPause = 5 * time.Millisecond, 200 * time.Millisecond
	// endOfFile is the key that ends the input of a terminal's program: ^D, as
	// every terminal begins with.
	endOfFile = 4
	// firstEnd and lastEnd are how often it is typed.
	firstEnd, lastEnd = 50 * time.Millisecond, 5 * time.Second
)

// Relay joins our own streams with a terminal's master.
type Relay struct {
	master *os.File
	// letGo closes a slave's end that we hold, so that the master is never left
	// alone while the process lives.
	letGo func()

	own    int // our terminal's descriptor, -1 = standard input is none
	mu     sync.Mutex
	before *term.State // its modes until they were changed, nil = not yet

	over chan struct{} // closed when the process has ended
	done chan struct{} // closed when all output has been shown
	lost error         // why some could not be, once done is closed
}

// NewRelay takes a master, gives it our terminal's size, and shows its output.
func NewRelay(master int) (*Relay, error) {
	if err := unix.SetNonblock(master, true); err != nil { // or reads could not be cut off
		sys.CloseFD(master)
		return nil, fmt.Errorf("prepare terminal: %w", err)
	}
	slave := holdSlave(master)
	r := &Relay{
		master: os.NewFile(uintptr(master), "console"), letGo: sync.OnceFunc(func() { sys.CloseFD(slave) }), own: -1,
		over: make(chan struct{}), done: make(chan struct{}),
	}
	if in := int(os.Stdin.Fd()); term.IsTerminal(in) {
		r.own = in
		r.Resize()
	}
	go r.show()
	return r, nil
}

// Take puts our terminal into raw mode, so that keys such as ^C reach the
// container's terminal and not us, and passes on what is typed. In the background
// of a shell both wait until we are in the foreground.
func (r *Relay) Take() error {
	if r.inForeground() {
		if err := r.raw(); err != nil {
			return err
		}
	}
	go r.keys()
	return nil
}

// keys passes on what is typed, for as long as the terminal is ours.
func (r *Relay) keys() {
	buf := make([]byte, 4<<10)
	for {
		if !r.inForeground() {
			if !r.awaitForeground() {
				return
			}
			_ = r.raw() // as far as it goes: there is nobody to tell
			r.Resize()
		}
		n, err := os.Stdin.Read(buf)
		if n > 0 {
			if _, err := r.master.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil && r.own < 0 { // whatever it is, nothing more comes
			r.endInput()
			return
		}
		if err != nil && !errors.Is(err, unix.EIO) { // EIO: in the background again
			return
		}
	}
}

// endInput is for an input that is no terminal and has ended: whoever reads has
// to be told, or waits for ever. A terminal tells it to one read, and forgets it
// when its modes change, so it is told again and again.
func (r *Relay) endInput() {
	for pause := firstEnd; ; pause = min(2*pause, lastEnd) {
		if _, err := r.master.Write([]byte{endOfFile}); err != nil {
			return
		}
		select {
		case <-r.over:
			return
		case <-time.After(pause):
		}
	}
}

// inForeground tells whether our terminal is ours to use: its foreground group
// is ours, or it is not the one that controls us.
func (r *Relay) inForeground() bool {
	if r.own < 0 {
		return true
	}
	group, err := unix.IoctlGetInt(r.own, unix.TIOCGPGRP)
	return err != nil || group == unix.Getpgrp()
}

// awaitForeground waits for the shell to bring us back, of which no signal tells
// (a job that was not stopped gets none), or for the process's end.
func (r *Relay) awaitForeground() bool {
	for !r.inForeground() {
		select {
		case <-r.over:
			return false
		case <-time.After(lastPause):
		}
	}
	return true
}

func (r *Relay) raw() error {
	if r.own < 0 {
		return nil
	}
	r.mu.Lock() // who sees the terminal raw sees that it is taken
	defer r.mu.Unlock()
	old, err := term.MakeRaw(r.own)
	if err != nil {
		return fmt.Errorf("set terminal to raw mode: %w", err)
	}
	if r.before == nil {
		r.before = old
	}
	return nil
}

// HasTerminal tells whether our standard input is a terminal: changes of its
// size are then the relay's.
func (r *Relay) HasTerminal() bool { return r.own >= 0 }

// Unread tells whether nobody reads our standard output any more: then a write of
// ours gives us SIGPIPE.
func (r *Relay) Unread() bool { return stdstream.Unread(unix.Stdout) }

// Resize gives the container's terminal the size of ours.
func (r *Relay) Resize() {
	if ws, err := unix.IoctlGetWinsize(r.own, unix.TIOCGWINSZ); err == nil {
		_ = r.control(func(master int) error { return unix.IoctlSetWinsize(master, unix.TIOCSWINSZ, ws) })
	}
}

// control calls f with the master, if it is still open.
func (r *Relay) control(f func(master int) error) error {
	raw, err := r.master.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	return errors.Join(raw.Control(func(fd uintptr) { ferr = f(int(fd)) }), ferr)
}

// Resume is for us when we were stopped and go on: the shell may have left the
// terminal in other modes and of another size.
func (r *Relay) Resume() {
	if r.taken() != nil && r.inForeground() {
		_ = r.raw()
		r.Resize()
	}
}

// taken gives our terminal's modes as they were, nil = it was not taken.
func (r *Relay) taken() *term.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.before
}

// show copies the output until the process has ended and nothing more comes. A
// terminal that nobody has open may be opened again: while the process lives,
// that is not the end.
func (r *Relay) show() {
	defer close(r.done)
	out := stdstream.Stream{File: os.Stdout}
	buf := make([]byte, 32<<10)
	pause := firstPause
	for left := lastOutput; left > 0; {
		ended := r.ended()
		if ended {
			_ = r.master.SetReadDeadline(time.Now().Add(quiet))
		}
		n, err := r.master.Read(buf)
		if n > 0 {
			pause = firstPause
			if ended {
				left -= n
			}
			if _, err := out.Write(buf[:n]); err != nil {
				if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.EIO) {
					r.lost = fmt.Errorf("show output: %w", err)
				}
				r.hangUp() // nobody reads any more: as when a terminal's window is closed
				return
			}
		}
		switch {
		case err == nil:
		case ended || errors.Is(err, os.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded): // the end came while it was read
		default:
			select {
			case <-r.over:
			case <-time.After(pause):
				pause = min(2*pause, lastPause)
			}
		}
	}
}

func (r *Relay) ended() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// hangUp closes our ends: the process gets SIGHUP, and errors from its terminal.
func (r *Relay) hangUp() {
	r.letGo()
	_ = r.master.Close()
}

// Finish shows the last output of a process that has ended, whoever else holds
// its terminal, and gives ours back.
func (r *Relay) Finish() error {
	close(r.over)
	r.letGo() // the master hangs up now, if nobody else has a slave
	_ = r.master.SetReadDeadline(time.Now().Add(quiet))
	<-r.done
	r.hangUp()
	before := r.taken()
	if before == nil || !r.inForeground() { // then the shell has put its own modes back
		return r.lost
	}
	if err := term.Restore(r.own, before); err != nil {
		return errors.Join(r.lost, fmt.Errorf("give the terminal its modes back: %w", err))
	}
	return r.lost
}
