package supervise

// From a program's output to its log. A program never waits for a disk that is
// full or a syslogd that is gone: what can't be written is counted, and told as
// soon as something can be.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Sink is where a log goes.
type Sink interface {
	io.Writer
	// Reopen lets go of a file that has been moved.
	Reopen()
	Close() error
}

// Log carries what a program prints to a sink, from the first life to the last.
type Log struct {
	// In is the program's end: its standard output and error.
	In   *os.File
	out  *os.File
	sink Sink
	name string
	hup  chan struct{}
	done chan error
}

// NewLog begins. name is what the log's own lines are about.
func NewLog(name string, sink Sink) (*Log, error) {
	var fd [2]int
	// Of the package unix: os.Pipe's end would be non-blocking for the program.
	if err := unix.Pipe2(fd[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("make a pipe for the log: %w", err)
	}
	if err := unix.SetNonblock(fd[0], true); err != nil { // our end, so that Close can end its wait
		return nil, errors.Join(fmt.Errorf("make a pipe for the log: %w", err), unix.Close(fd[0]), unix.Close(fd[1]))
	}
	l := &Log{
		In: os.NewFile(uintptr(fd[1]), "log"), out: os.NewFile(uintptr(fd[0]), "log"),
		sink: sink, name: name, hup: make(chan struct{}, 1), done: make(chan error, 1),
	}
	go l.pump()
	return l, nil
}

// Say writes a line of its own, behind what the program has printed so far.
func (l *Log) Say(line string) {
	_, _ = fmt.Fprintf(l.In, "runcell: %s %s %s\n", time.Now().UTC().Format(time.RFC3339), l.name, line) // the pipe's reader is ours
}

// Reopen has the file opened anew with the next line.
func (l *Log) Reopen() {
	select {
	case l.hup <- struct{}{}:
	default: // it is going to be
	}
}

// Close waits until everything is written that the program has printed. Others
// may have its end still: a process can hand it to one of another cell, which
// must not keep this one from its end. What they print is lost.
func (l *Log) Close() error {
	_ = l.In.Close()
	_ = l.out.SetReadDeadline(time.Unix(1, 0))
	return <-l.done
}

// chunk is how much is read at once, in bytes.
const chunk = 32 << 10

// mostChunks is how many of them a pipe can hold: Linux has pipes of 64 KiB, and
// of 1 MiB at most (pipe(7)), NetBSD of 64 KiB.
const mostChunks = 32

func (l *Log) pump() {
	defer func() { _ = l.out.Close() }()
	buf := make([]byte, chunk)
	var lost int
	for {
		n, err := l.out.Read(buf)
		select {
		case <-l.hup:
			l.sink.Reopen()
		default:
		}
		if n > 0 {
			lost = l.write(buf[:n], lost)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			l.rest(buf, lost)
		}
		if err != nil {
			l.done <- l.sink.Close()
			return
		}
	}
}

// rest writes what is in the pipe now. Who goes on writing is not followed: a
// pipe holds some chunks.
func (l *Log) rest(buf []byte, lost int) {
	conn, err := l.out.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) {
		for range mostChunks {
			n, err := unix.Read(int(fd), buf)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if n <= 0 || err != nil {
				return
			}
			lost = l.write(buf[:n], lost)
		}
	})
}

// write gives the number of bytes that are lost by now.
func (l *Log) write(p []byte, lost int) int {
	if lost > 0 {
		if _, err := fmt.Fprintf(l.sink, "\nruncell: %s %d bytes were lost here: the log could not be written\n", l.name, lost); err != nil {
			return lost + len(p)
		}
	}
	n, err := l.sink.Write(p)
	if err != nil {
		return len(p) - n
	}
	return 0
}
