package supervise

// From a program's output to its log. A program never waits for a disk that is
// full or a syslogd that is gone: what can't be written is counted, and told as
// soon as something can be.

import (
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
	l := &Log{In: os.NewFile(uintptr(fd[1]), "log"), sink: sink, name: name, hup: make(chan struct{}, 1), done: make(chan error, 1)}
	go l.pump(os.NewFile(uintptr(fd[0]), "log"))
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

// Close waits until everything is written. No process may have the program's end
// any more.
func (l *Log) Close() error {
	_ = l.In.Close()
	return <-l.done
}

// chunk is how much is read at once, in bytes.
const chunk = 32 << 10

func (l *Log) pump(out *os.File) {
	defer func() { _ = out.Close() }()
	buf := make([]byte, chunk)
	var lost int
	for {
		n, err := out.Read(buf)
		select {
		case <-l.hup:
			l.sink.Reopen()
		default:
		}
		if n > 0 {
			lost = l.write(buf[:n], lost)
		}
		if err != nil {
			l.done <- l.sink.Close()
			return
		}
	}
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
