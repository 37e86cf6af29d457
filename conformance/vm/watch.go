package main

// Following a machine: its two serial ports go to the session and to the log,
// until the plan is over, or there is nothing more to hope for.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// limits of a run.
type limits struct {
	quiet time.Duration // without a byte: the guest says something every 5 s
	total time.Duration
	// linger is how long a kernel in trouble can go on telling about it
	// without a pause of more than a fifth of that.
	linger time.Duration
	// farewell is how long the machine may take to end after the plan: a kernel
	// can still panic while it shuts down.
	farewell time.Duration
	// partial is the pause after which a line without an end is a prompt.
	partial time.Duration
}

var errMachine = errors.New("the machine ended in the middle of the plan")

// watcher follows one machine.
type watcher struct {
	s     *session
	log   io.Writer
	typed func(string)
	limits

	start time.Time
	parts [2][]byte // lines whose end is still to come: console, report
	asked bool      // for a backtrace
	hung  bool      // and was sent a break
}

// watch returns when the machine is gone or should go. The error says why, if
// that was not the guest's own decision.
func (w *watcher) watch(events <-chan event) error {
	w.start = time.Now()
	last, lastBut := w.start, time.Time{}
	var trouble, over time.Time
	tick := time.NewTicker(w.partial)
	defer tick.Stop()
	for {
		select {
		case e, ok := <-events:
			if !ok {
				w.flush()
				if w.s.over {
					return nil
				}
				return errMachine
			}
			last = time.Now()
			w.take(e)
		case <-tick.C:
			if last.Equal(lastBut) {
				w.prompt()
			}
			lastBut = last
		}
		now := time.Now()
		switch {
		case w.s.fault == nil && w.s.dark:
			return nil
		case w.s.fault == nil && w.s.over && over.IsZero():
			over = now
		case w.s.fault == nil && !over.IsZero() && now.Sub(over) > w.farewell:
			return nil
		case w.s.fault != nil && trouble.IsZero():
			trouble = now
		case !trouble.IsZero() && (now.Sub(trouble) > w.linger || now.Sub(last) > w.linger/5):
			w.flush()
			return nil
		case now.Sub(last) > w.quiet:
			w.hang()
			last = now
		case now.Sub(w.start) > w.total:
			return fmt.Errorf("the guest is not done after %s", w.total)
		}
	}
}

// take splits what came into lines.
func (w *watcher) take(e event) {
	part := &w.parts[0]
	if e.port {
		part = &w.parts[1]
	}
	*part = append(*part, e.data...)
	for {
		line, rest, found := bytes.Cut(*part, []byte("\n"))
		if !found {
			return
		}
		*part = rest
		w.line(e.port, string(line))
	}
}

// escapes are what a BIOS sends to a terminal.
var escapes = regexp.MustCompile(`\x1b(c|\[[0-9;?]*[A-Za-z])`)

func (w *watcher) line(port bool, line string) {
	line = strings.TrimRight(escapes.ReplaceAllString(line, ""), "\r")
	name := "console"
	if port {
		name = "report"
	}
	fmt.Fprintf(w.log, "%8.3f %-7s %s\n", time.Since(w.start).Seconds(), name, strings.ReplaceAll(line, "\x1e", ""))
	if port {
		w.s.port(line)
	} else {
		w.s.console(line)
	}
}

var debugger = regexp.MustCompile(`^db(\{\d+\})?> ?$`)

// prompt takes a line that waits for an answer: a debugger's is asked where
// the kernel is.
func (w *watcher) prompt() {
	part := string(w.parts[0])
	if strings.TrimSpace(part) == "" {
		return
	}
	w.parts[0] = nil
	w.line(false, part)
	if debugger.MatchString(strings.TrimSpace(part)) && !w.asked {
		w.asked = true
		w.s.debugger()
		w.typed("bt\r")
		if w.hung {
			w.typed("set $lines = 0\rps\r")
		}
	}
}

// hang calls a silent kernel to its debugger by a break on the console: where
// it is goes into the log.
func (w *watcher) hang() {
	w.hung = true
	w.s.trouble(fmt.Errorf("the guest hangs: not a word for %s", w.quiet))
	w.typed(sendBreak)
}

func (w *watcher) flush() {
	for i, part := range w.parts {
		if len(part) > 0 {
			w.line(i == 1, string(part))
		}
		w.parts[i] = nil
	}
}
