package main

// Reports to the host, each line numbered and with a checksum.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
)

// heartbeat is the time without a word after which the guest says that it is
// still there.
const heartbeat = 5 * time.Second

// reporter writes frames, each in one piece.
type reporter struct {
	mu   sync.Mutex
	w    io.Writer
	seq  int
	last time.Time
	err  error
}

func newReporter(w io.Writer) *reporter {
	r := &reporter{w: w, last: time.Now()}
	go func() {
		for range time.Tick(heartbeat) {
			r.mu.Lock()
			quiet := time.Since(r.last) >= heartbeat
			r.mu.Unlock()
			if quiet {
				r.send(protocol.Alive, "")
			}
		}
	}()
	return r
}

func (r *reporter) send(kind protocol.Kind, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seq++
	r.last = time.Now()
	f := protocol.Frame{Seq: r.seq, Kind: kind, Text: protocol.Clean(text)}
	if _, err := fmt.Fprintf(r.w, "%s\n", f); err != nil && r.err == nil {
		r.err = fmt.Errorf("write report: %w", err)
	}
}

// bye says that there is nothing more to come, and why if that is an error.
func (r *reporter) bye(err error) error {
	text := ""
	if err != nil {
		text = err.Error()
	}
	r.send(protocol.Bye, text)
	return errors.Join(err, r.err)
}

// lines sends what is written to it, a line a frame.
type lines struct {
	r    *reporter
	kind protocol.Kind
	part []byte // of a line whose end is still to come
}

func (l *lines) Write(p []byte) (int, error) {
	l.part = append(l.part, p...)
	for {
		line, rest, found := bytes.Cut(l.part, []byte("\n"))
		if !found {
			break
		}
		l.r.send(l.kind, string(line))
		l.part = rest
	}
	if len(l.part) > protocol.MaxText {
		l.flush()
	}
	return len(p), nil
}

// flush sends a line without an end.
func (l *lines) flush() {
	if len(l.part) > 0 {
		l.r.send(l.kind, string(l.part))
	}
	l.part = nil
}
