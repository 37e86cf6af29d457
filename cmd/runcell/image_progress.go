// A line of progress for a person who waits. The libraries for it do a
// millisecond of work before main, in every command; this does none.
package main

import (
	"fmt"
	"io"
	"time"
)

const progressEvery = 200 * time.Millisecond

// progress rewrites one line of a terminal. On anything else, and for work
// that is done before the first line is due, it prints nothing.
type progress struct {
	out   io.Writer // nil: silent
	what  string
	next  time.Time
	shown bool
}

func newProgress(out io.Writer, what string) *progress {
	p := &progress{what: what, next: time.Now().Add(progressEvery)}
	if isTerminal(out) {
		p.out = out
	}
	return p
}

// report is called with the bytes done and their total, 0 if unknown, by one
// goroutine at a time.
func (p *progress) report(done, total int64) {
	if p.out == nil {
		return
	}
	now := time.Now()
	if now.Before(p.next) {
		return
	}
	p.next, p.shown = now.Add(progressEvery), true
	const mib = 1 << 20
	if total > 0 {
		fmt.Fprintf(p.out, "\r%s: %d of %d MiB (%d%%)\x1b[K", p.what, done/mib, total/mib, done*100/total)
	} else {
		fmt.Fprintf(p.out, "\r%s: %d MiB\x1b[K", p.what, done/mib)
	}
}

// finish clears the line.
func (p *progress) finish() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
